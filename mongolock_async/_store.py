"""The commands that are sent to MongoDB."""

from __future__ import annotations

import functools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pymongo
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

from . import _projection, _protocol
from ._document import LockInfo, Reply
from ._errors import LockBackendError
from ._expressions import NOW, Stage, each, is_live, is_lock, keep, some
from ._link import ClientSession, Link
from ._stream import Stream

if TYPE_CHECKING:
    from ._collection import Collection

logger = logging.getLogger("mongolock_async")

# The first claim waits for the index, but not for a server that cannot make it now.
INDEX_SECONDS = 5.0
# By this label of an error, with_transaction knows that it may start again.
TRANSIENT = "TransientTransactionError"


class Store(Link):
    """The locks of one collection.

    Claims and renewals are acknowledged by a majority. Releases need one node only: if a failover undoes
    one, the lock stays held until its ttl, and is never held twice.
    """

    def __init__(self, collection: Collection, *, retention: float, timeout: float) -> None:
        super().__init__(collection, timeout)
        self._retention = max(1, round(retention))

    async def make_index(self) -> bool:
        """Make the TTL index; False: not now, try again later.

        Clean-up alone depends on it, so that no failure is raised.
        """
        try:
            with pymongo.timeout(min(self._timeout, INDEX_SECONDS)):
                await self._majority.create_index("expires_at", expireAfterSeconds=self._retention)
        except PyMongoError as error:
            logger.warning(
                "no TTL index on %s.expires_at: %s (code %s); documents of locks no longer used stay there",
                self.full_name,
                type(error).__name__,
                getattr(error, "code", None),
            )
            return not isinstance(error, ConnectionFailure)
        return True

    async def claim(
        self, name: str, pipeline: list[Stage], projection: Stage, session: ClientSession
    ) -> Reply:
        """Send a claim; the document is made if there is none."""
        answer = await self._change("obtain", name, pipeline, projection, upsert=True, session=session)
        if answer is None:  # repeated by the driver, and the document deleted before we read it again
            raise LockBackendError("obtain", name, "DocumentGone")
        return Reply(answer)

    def grants(self, session: str) -> Stream:
        """The change stream of a session's grants."""
        return Stream(self._majority, session)

    async def renew(self, name: str, lease: str) -> Reply | None:
        """Renew one lease, or its place in the queue; None: there is no document any more."""
        pipeline = _protocol.renew([lease], mine=lease)
        answer = await self._change("renew", name, pipeline, _projection.reply(lease))
        return None if answer is None else Reply(answer)

    async def look(self, name: str, lease: str) -> Reply | None:
        """Where a lease stands, by one node's word: enough to know when to ask."""
        with self._command("look", name):
            find = functools.partial(self._local.find_one, {"_id": name}, _projection.reply(lease))
            answer = await self._attempts.insist(find)
        return None if answer is None else Reply(answer["reply"])

    async def touch(self, name: str) -> None:
        """Make the document if there is none."""
        await self._change("create", name, _protocol.touch(), _projection.reply(""), upsert=True)

    async def verify(self, name: str, lease: str, session: object) -> bool:
        """In a transaction: whether the lease is live; from here to the commit it stays ours.

        The transaction sees the document as it was at its beginning. If it has changed since, by a renewal
        for instance, the server refuses the write, with a label; if it has not, what it says is the truth.
        """
        try:
            with self._command("verify", name):
                seen = await self._majority.find_one_and_update(
                    {"_id": name, "holders.lease": lease},
                    _protocol.verify(),
                    projection=_projection.was_held(lease),
                    session=session,
                )
                if seen is not None:
                    return bool(seen["held"])
                now = await self._majority.find_one({"_id": name}, _projection.was_held(lease))
                if now is not None and now["held"]:
                    raise OperationFailure(
                        "the transaction began before the lease", 112, {"errorLabels": [TRANSIENT]}
                    )
                return False
        except LockBackendError as error:
            if isinstance(error.__cause__, PyMongoError) and error.__cause__.has_error_label(TRANSIENT):
                raise error.__cause__ from None
            raise

    async def leave(self, name: str, lease: str, session: ClientSession | None = None) -> Reply | None:
        """Give back what the lease has, also a place in the queue: what that was, where the server says."""
        with self._command("release", name):
            before = await self._insist(self._releasing(name, lease, _projection.reply(lease)), session)
        return Reply(before["reply"]) if before is not None and "reply" in before else None

    async def release(self, name: str, lease: str, back: Sequence[str] = ()) -> bool | None:
        """Whether the lease was live until now; None: it may have been, or not.

        Those of ``back`` that wait let everybody else go first.
        """
        release = self._releasing(name, lease, _projection.was_held(lease), back)
        sent = 0

        async def counted() -> Mapping[str, Any] | None:
            nonlocal sent
            sent += 1
            return await release()

        with self._command("release", name):
            before = await self._attempts.insist(counted)
        if before is not None and before.get("held"):
            return True
        # The first of several may have released it; a repeated reply says that it was there, but not when.
        there = before is not None and any(one["lease"] == lease for one in before.get("holders", ()))
        return None if sent > 1 or there else False

    def _releasing(
        self, name: str, lease: str, projection: Stage, back: Sequence[str] = ()
    ) -> Callable[..., Awaitable[Mapping[str, Any] | None]]:
        pipeline = _protocol.release([lease], back=back)
        update = self._local.find_one_and_update
        return functools.partial(update, {"_id": name}, pipeline, projection=projection)

    async def release_all(self, name: str) -> bool:
        """Whether there was anybody to release."""
        with self._command("force_release", name):
            before = await self._majority.find_one_and_update(
                {"_id": name}, _protocol.release_all(), projection=_projection.was_held()
            )
        return before is not None and bool(before.get("held", before.get("holders")))

    async def renew_many(self, batch: Mapping[str, str], within: float) -> set[str]:
        """Renew a lease, or a place in a queue, for each name; the ids of those that still stand."""
        leases = list(batch.values())
        ours = {"$and": [{"$in": ["$$e.lease", {"$literal": leases}]}, is_live(NOW)]}
        stand = {"$or": [some("$holders", ours), some("$queue", ours)]}
        live_ones = {"$expr": {"$and": [is_lock(), stand]}}
        names = {"_id": {"$in": list(batch)}}
        with self._command("renew", None), pymongo.timeout(within):
            result = await self._majority.update_many({**names, **live_ones}, _protocol.renew(leases))
            if result.matched_count == len(batch):
                return set(leases)
            live_leases = {"$concatArrays": [keep("$holders", ours), keep("$queue", ours)]}
            cursor = self._majority.find({**names, **live_ones}, {"live": each(live_leases, "$$e.lease")})
            return {lease async for found in cursor for lease in found["live"]}

    async def view(self, name: str) -> LockInfo | None:
        """One lock for people; None: no document."""
        with self._command("get", name):
            found = await self._local.find_one({"_id": name}, _projection.view())
        if found is None:
            return None
        if found["info"] is None:
            raise self._foreign(name)
        return LockInfo.read(name, found["info"])

    async def views(self, prefix: str) -> AsyncIterator[LockInfo]:
        """Every lock whose name begins so, in the order of names; foreign documents are passed over."""
        with self._command("list", None):
            # Names with the prefix stand together in the order of _id, and begin at the prefix itself.
            cursor = self._local.find({"_id": {"$gte": prefix}}, _projection.view()).sort("_id", 1)
            found = []
            async for item in cursor:
                if not item["_id"].startswith(prefix):
                    break
                found.append(item)
            await cursor.close()
        for item in found:
            if item["info"] is not None:
                yield LockInfo.read(item["_id"], item["info"])
