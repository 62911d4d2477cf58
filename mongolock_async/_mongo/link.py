"""How commands on locks are sent: where to, how long for, how often, and which errors come of it."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import pymongo
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from pymongo import ReadPreference, ReturnDocument, WriteConcern
from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from mongolock_async._errors import LockBackendError, LockError
from mongolock_async._protocol.expressions import Stage
from mongolock_async._protocol.transition import FOREIGN_CODE

from .attempts import Attempts
from .collection import check_collection
from .servers import hint
from .sessions import ClientSession, Sessions

if TYPE_CHECKING:
    from .collection import Collection

T = TypeVar("T")

# How the locks are written and read, whatever the collection was set to.
MAJORITY: dict[str, Any] = {
    "codec_options": CodecOptions(),
    "read_preference": ReadPreference.PRIMARY,
    "write_concern": WriteConcern("majority"),
    "read_concern": ReadConcern("majority"),
}


def backend_error(action: str, name: str | None, error: Exception) -> LockBackendError:
    """Ours for one of the driver's."""
    code = error.code if isinstance(error, OperationFailure) else None
    return LockBackendError(action, name, type(error).__name__, code, hint(code))


class Link:
    """A collection, pinned to the primary, whatever it was set to.

    Attributes:
        majority: the collection; a majority acknowledges what it writes, and has what it reads.
        local: the same; one node is enough. (A majority read would not see yet what a release has written.)
        timeout: seconds after which a command is given up.
        sessions: for writes.
        reads: for what must be read after what another has written.
    """

    def __init__(self, collection: Collection, timeout: float) -> None:
        self.majority = check_collection(collection).with_options(**MAJORITY)
        self.local = self.majority.with_options(
            write_concern=WriteConcern(1), read_concern=ReadConcern("local")
        )
        self.timeout = timeout
        self.sessions = Sessions(self.majority.database.client, causal=False)
        self.reads = Sessions(self.majority.database.client, causal=True)
        self._attempts = Attempts(timeout)

    @property
    def full_name(self) -> str:
        """``database.collection``."""
        return str(self.majority.full_name)

    def hurry(self, seconds: float) -> None:
        """Commands that begin from now on are given up after so many seconds."""
        self.timeout = self._attempts.timeout = min(self.timeout, seconds)

    async def aclose(self) -> None:
        """End the sessions."""
        await self.sessions.aclose()
        await self.reads.aclose()

    async def change(
        self,
        which: Mapping[str, Any],
        pipeline: Sequence[Stage],
        projection: Stage,
        *,
        upsert: bool = False,
        session: ClientSession | None = None,
    ) -> Mapping[str, Any] | None:
        """Change a document, for a majority; what the projection says of it; None: there is none."""
        write = functools.partial(
            self.majority.find_one_and_update,
            which,
            pipeline,
            projection=projection,
            upsert=upsert,
            return_document=ReturnDocument.AFTER,
        )
        found: Mapping[str, Any] | None = await self.insist(write, session)
        if found is not None and "reply" not in found:
            found = await self.majority.find_one({"_id": which["_id"]}, projection)
        return found

    async def insist(self, send: Callable[..., Awaitable[T]], session: ClientSession | None = None) -> T:
        """Send it, in this session, until there is an answer."""
        if session is None:
            return await self._attempts.insist(send)
        try:
            return await self._attempts.insist(functools.partial(send, session=session))
        except ConfigurationError:
            # A connection that was made while its node was starting knows of no sessions.
            return await self._attempts.insist(send)

    @contextmanager
    def command(self, action: str, name: str | None) -> Iterator[None]:
        """Within the timeout, and with errors of ours for those of the driver."""
        try:
            with pymongo.timeout(self.timeout):
                yield
        except (PyMongoError, BSONError) as error:
            ours = backend_error(action, name, error)
            if ours.code == FOREIGN_CODE and name is not None:
                raise self.foreign(name) from error
            raise ours from error

    def foreign(self, name: str) -> LockError:
        """The document is none of ours."""
        return LockError(f"the document {name!r} in {self.full_name} is not a lock; it was left as it is")
