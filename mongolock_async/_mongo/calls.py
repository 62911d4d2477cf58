"""The change stream that carries the grants of one member, and no other change."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import pymongo
from bson.errors import BSONError
from pymongo.errors import OperationFailure, PyMongoError

from mongolock_async._engine.backend import Call
from mongolock_async._errors import LockBackendError

# The server answers a getMore without news after so long.
AWAIT_MS = 1000
# One that has not answered for so long (seconds) is taken for broken: a node that was stopped or cut off.
SILENCE = 3.0


def grants(member: str) -> list[dict[str, Any]]:
    """The pipeline of a stream with the grants of the member's waiters.

    The server reports one and the same change as an update or as a replace. A replace repeats an
    old ``granted``; it is news only while the member holds what it names.
    """
    ours = {"$regex": f"^(.* )?{member}\\."}
    lease = {"$regex": f"^{member}\\."}
    return [
        {
            "$match": {
                "$or": [
                    {"updateDescription.updatedFields.granted": ours},
                    {
                        "operationType": {"$in": ["replace", "insert"]},
                        "fullDocument.granted": ours,
                        "fullDocument.holders.lease": lease,
                    },
                ]
            }
        },
        {
            "$project": {
                "updateDescription.updatedFields.granted": 1,
                "updateDescription.updatedFields.token": 1,
                "fullDocument.granted": 1,
                "fullDocument.holders.lease": 1,
                "fullDocument.holders.token": 1,
            }
        },
    ]


def read(event: Mapping[str, Any]) -> list[Call]:
    """The grants that an event reports."""
    if "updateDescription" in event:
        fields = event["updateDescription"]["updatedFields"]
        leases = fields["granted"].split(" ")
        return [Call(lease, fields.get("token") if len(leases) == 1 else None) for lease in leases]
    document = event["fullDocument"]
    tokens = {holder["lease"]: holder["token"] for holder in document["holders"]}
    return [Call(lease, tokens[lease]) for lease in document["granted"].split(" ") if lease in tokens]


class Stream:
    """One open change stream. Both drivers resume it by themselves after a failover."""

    def __init__(self, collection: Any, member: str) -> None:  # noqa: ANN401 - of either driver
        self._collection = collection
        self._pipeline = grants(member)
        self._stream: Any = None

    async def __aenter__(self) -> Self:
        """Open it: what a majority acknowledges from here on is reported.

        Raises:
            LockBackendError: the server has no change streams, or does not let us open one.
        """
        with _wrapped():
            stream = self._collection.watch(self._pipeline, max_await_time_ms=AWAIT_MS)
            # PyMongo opens it when it is awaited, Motor when its block is entered.
            self._stream = await stream if inspect.isawaitable(stream) else stream
            await self._stream.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with _wrapped():
            await self._stream.close()

    async def next(self) -> list[Call]:
        """The grants of the next event; none if there was no event for a second.

        Raises:
            LockBackendError: the stream is broken.
        """
        with _wrapped():
            event = await self._stream.try_next()
        if event is None and not self._stream.alive:  # the collection was dropped or renamed
            raise LockBackendError("watch", None, "StreamClosed")
        return [] if event is None else read(event)


@contextmanager
def _wrapped() -> Iterator[None]:
    try:
        with pymongo.timeout(SILENCE):
            yield
    except (PyMongoError, BSONError) as error:
        code = error.code if isinstance(error, OperationFailure) else None
        raise LockBackendError("watch", None, type(error).__name__, code) from error
