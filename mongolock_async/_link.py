"""How commands on locks are sent: where to, how long for, how often, and which errors come of it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pymongo
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from pymongo import ReadPreference, ReturnDocument, WriteConcern
from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from ._attempts import Attempts
from ._collection import check_collection
from ._errors import LockBackendError, LockError
from ._expressions import Stage
from ._protocol import FOREIGN_CODE

if TYPE_CHECKING:
    from ._collection import Collection

T = TypeVar("T")


class ClientSession(Protocol):
    """A driver's session: within it, a replica set refuses a write that arrives after a later one."""

    async def end_session(self) -> None: ...


class Link:
    """A collection, pinned to the primary, whatever it was set to."""

    def __init__(self, collection: Collection, timeout: float) -> None:
        pinned = check_collection(collection).with_options(
            codec_options=CodecOptions(),
            read_preference=ReadPreference.PRIMARY,
            write_concern=WriteConcern("majority"),
            read_concern=ReadConcern("majority"),
        )
        self._majority = pinned
        # A majority read would not see yet what a release has just written.
        self._local = pinned.with_options(write_concern=WriteConcern(1), read_concern=ReadConcern("local"))
        self._timeout = timeout
        self._attempts = Attempts()

    @property
    def full_name(self) -> str:
        """``database.collection``."""
        return str(self._majority.full_name)

    async def session(self, name: str) -> ClientSession:
        """For a claim, its repetitions and its give-back."""
        with self._command("obtain", name):
            session = self._majority.database.client.start_session(causal_consistency=False)
            opened: ClientSession = await session if inspect.isawaitable(session) else session
        return opened

    async def _change(
        self,
        action: str,
        name: str,
        pipeline: Sequence[Stage],
        projection: Stage,
        *,
        upsert: bool = False,
        session: ClientSession | None = None,
    ) -> Mapping[str, Any] | None:
        with self._command(action, name):
            write = functools.partial(
                self._majority.find_one_and_update,
                {"_id": name},
                pipeline,
                projection=projection,
                upsert=upsert,
                return_document=ReturnDocument.AFTER,
            )
            answer = await self._insist(write, session)
            if answer is not None and "reply" not in answer:
                answer = await self._majority.find_one({"_id": name}, projection)
            reply: Mapping[str, Any] | None = None if answer is None else answer["reply"]
            return reply

    async def _insist(self, send: Callable[..., Awaitable[T]], session: ClientSession | None) -> T:
        try:
            return await self._attempts.insist(functools.partial(send, session=session))
        except ConfigurationError:
            # A connection that was made while its node was starting knows of no sessions.
            if session is None:
                raise
            return await self._attempts.insist(send)

    @contextmanager
    def _command(self, action: str, name: str | None) -> Iterator[None]:
        try:
            with pymongo.timeout(self._timeout):
                yield
        except (PyMongoError, BSONError) as error:
            code = error.code if isinstance(error, OperationFailure) else None
            if code == FOREIGN_CODE and name is not None:
                raise self._foreign(name) from error
            raise LockBackendError(action, name, type(error).__name__, code) from error

    def _foreign(self, name: str) -> LockError:
        return LockError(f"the document {name!r} in {self.full_name} is not a lock; it was left as it is")
