"""The commands that are sent to MongoDB."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from mongolock_async._engine.backend import Transaction
from mongolock_async._errors import LockBackendError
from mongolock_async._protocol import pipeline, projection
from mongolock_async._protocol.expressions import NOW, Stage, each, is_live, is_lock, keep, some
from mongolock_async._protocol.reply import Reply, View
from mongolock_async._protocol.request import Request
from mongolock_async._settings import milliseconds

from .calls import Stream
from .index import make_index
from .link import ClientSession, Link

if TYPE_CHECKING:
    from .collection import Collection

# By this label of an error, with_transaction knows that it may start again.
TRANSIENT = "TransientTransactionError"
CONFLICT = 112


class MongoBackend:
    """The locks of one collection.

    Claims and renewals are acknowledged by a majority. Releases need one node only: if a failover undoes
    one, the lock stays held until its ttl, and is never held twice.

    Args:
        collection: of either driver.
        retention: seconds after which the document of an unused lock is removed.
        timeout: seconds after which a command is given up.
    """

    def __init__(self, collection: Collection, *, retention: float, timeout: float) -> None:
        self._link = Link(collection, timeout)
        self._retention = retention
        # The sessions of claims that have no answer, until they are withdrawn.
        self._unknown: dict[str, ClientSession] = {}

    @property
    def full_name(self) -> str:
        """``database.collection``."""
        return self._link.full_name

    async def index(self) -> bool:
        """See ``Backend``."""
        return await make_index(self._link, self._retention)

    async def create(self, name: str) -> None:
        """See ``Backend``."""
        with self._link.command("create", name):
            await self._link.change(name, pipeline.touch(), projection.reply(""), upsert=True)

    async def claim(self, request: Request, lease: str, *, wait: bool = False) -> Reply:
        """See ``Backend``. The claim, its repetitions and its withdrawal share one session."""
        stages, answer = _claim(request, lease, wait=wait)
        name = request.name
        async with self._session(name, lease) as session:
            with self._link.command("obtain", name):
                reply = await self._link.change(name, stages, answer, upsert=True, session=session)
            if reply is None:  # repeated by the driver, and the document deleted before we read it again
                raise LockBackendError("obtain", name, "DocumentGone")
        return Reply(reply)

    async def ask(self, name: str, lease: str) -> Reply | None:
        """See ``Backend``."""
        with self._link.command("renew", name):
            stages = pipeline.renew([lease], mine=lease)
            answer = await self._link.change(name, stages, projection.reply(lease))
        return None if answer is None else Reply(answer)

    async def look(self, name: str, lease: str) -> Reply | None:
        """See ``Backend``."""
        with self._link.command("look", name):
            find = functools.partial(self._link.local.find_one, {"_id": name}, projection.reply(lease))
            answer = await self._link.insist(find)
        return None if answer is None else Reply(answer["reply"])

    async def renew(self, leases: Mapping[str, str], within: float) -> set[str]:
        """See ``Backend``. A second command tells which, where not all of them stand."""
        ids = list(leases.values())
        ours = {"$and": [{"$in": ["$$e.lease", {"$literal": ids}]}, is_live(NOW)]}
        stand = {"$or": [some("$holders", ours), some("$queue", ours)]}
        live_ones = {"$expr": {"$and": [is_lock(), stand]}}
        names = {"_id": {"$in": list(leases)}}
        with self._link.command("renew", None), pymongo.timeout(within):
            result = await self._link.majority.update_many({**names, **live_ones}, pipeline.renew(ids))
            if result.matched_count == len(leases):
                return set(ids)
            live_leases = {"$concatArrays": [keep("$holders", ours), keep("$queue", ours)]}
            found = self._link.majority.find({**names, **live_ones}, {"live": each(live_leases, "$$e.lease")})
            return {lease async for one in found for lease in one["live"]}

    async def release(self, name: str, lease: str, back: Sequence[str] = ()) -> bool | None:
        """See ``Backend``."""
        release = self._releasing(name, lease, projection.was_held(lease), back)
        sent = 0

        async def counted() -> Mapping[str, Any] | None:
            nonlocal sent
            sent += 1
            return await release()

        with self._link.command("release", name):
            before = await self._link.insist(counted)
        if before is not None and before.get("held"):
            return True
        # The first of several may have released it; a repeated reply says that it was there, but not when.
        there = before is not None and any(one["lease"] == lease for one in before.get("holders", ()))
        return None if sent > 1 or there else False

    async def withdraw(self, name: str, lease: str) -> Reply | None:
        """See ``Backend``. In the session of its claim, if that has no answer."""
        session = self._unknown.pop(lease, None)
        try:
            with self._link.command("release", name):
                release = self._releasing(name, lease, projection.reply(lease))
                before = await self._link.insist(release, session)
        finally:
            if session is not None:
                await session.end_session()
        return Reply(before["reply"]) if before is not None and "reply" in before else None

    async def force(self, name: str) -> bool:
        """See ``Backend``."""
        with self._link.command("force_release", name):
            before = await self._link.majority.find_one_and_update(
                {"_id": name}, pipeline.release_all(), projection=projection.was_held()
            )
        return before is not None and bool(before.get("held", before.get("holders")))

    def transaction(self, session: object) -> Transaction:
        """See ``Backend``."""
        in_transaction = getattr(session, "in_transaction", None)
        if not isinstance(in_transaction, bool):
            raise TypeError(f"session must be a session of the driver, not {type(session).__name__}")
        if not in_transaction:
            raise ValueError("session has no transaction under way: verify is the last call inside of one")
        return cast("Transaction", session)

    async def verify(self, name: str, lease: str, session: Transaction) -> bool:
        """See ``Backend``.

        The transaction sees the document as it was at its beginning. If it has changed since, by a renewal
        for instance, the server refuses the write, with a label; if it has not, what it says is the truth.
        """
        try:
            with self._link.command("verify", name):
                seen = await self._link.majority.find_one_and_update(
                    {"_id": name, "holders.lease": lease},
                    pipeline.verify(),
                    projection=projection.was_held(lease),
                    session=session,
                )
                if seen is not None:
                    return bool(seen["held"])
                now = await self._link.majority.find_one({"_id": name}, projection.was_held(lease))
                if now is not None and now["held"]:
                    begun_before = "the transaction began before the lease"
                    raise OperationFailure(begun_before, CONFLICT, {"errorLabels": [TRANSIENT]})
                return False
        except LockBackendError as error:
            if isinstance(error.__cause__, PyMongoError) and error.__cause__.has_error_label(TRANSIENT):
                raise error.__cause__ from None
            raise

    async def view(self, name: str) -> View | None:
        """See ``Backend``."""
        with self._link.command("get", name):
            found = await self._link.local.find_one({"_id": name}, projection.view())
        if found is None:
            return None
        if found["info"] is None:
            raise self._link.foreign(name)
        view: View = found["info"]
        return view

    async def list(self, prefix: str) -> AsyncIterator[tuple[str, View]]:
        """See ``Backend``. Foreign documents are passed over."""
        with self._link.command("list", None):
            # Names with the prefix stand together in the order of _id, and begin at the prefix itself.
            cursor = self._link.local.find({"_id": {"$gte": prefix}}, projection.view()).sort("_id", 1)
            found = []
            async for item in cursor:
                if not item["_id"].startswith(prefix):
                    break
                found.append(item)
            await cursor.close()
        for item in found:
            if item["info"] is not None:
                yield item["_id"], item["info"]

    def listen(self, member: str) -> Stream:
        """See ``Backend``: a change stream."""
        return Stream(self._link.majority, member)

    @asynccontextmanager
    async def _session(self, name: str, lease: str) -> AsyncIterator[ClientSession]:
        """For a claim; left open where that has no answer: then its withdrawal cannot be overtaken by it."""
        with self._link.command("obtain", name):
            session = await self._link.session()
        try:
            yield session
        except LockBackendError:
            self._unknown[lease] = session
            raise
        finally:
            if lease not in self._unknown:
                await session.end_session()

    def _releasing(
        self, name: str, lease: str, answer: Stage, back: Sequence[str] = ()
    ) -> Callable[..., Awaitable[Mapping[str, Any] | None]]:
        stages = pipeline.release([lease], back=back)
        return functools.partial(
            self._link.local.find_one_and_update, {"_id": name}, stages, projection=answer
        )


def _claim(request: Request, lease: str, *, wait: bool) -> tuple[list[Stage], Stage]:
    """Pipeline and projection."""
    ttl_ms = milliseconds(request.ttl)
    if request.tick is not None:
        period_ms, after_ms = request.tick.period_ms, request.tick.after_ms
        stages = pipeline.claim_tick(
            lease, owner=request.owner, ttl_ms=ttl_ms, period_ms=period_ms, after_ms=after_ms
        )
        return stages, projection.reply_tick(lease, period_ms=period_ms)
    stages = pipeline.claim(
        lease,
        owner=request.owner,
        ttl_ms=ttl_ms,
        weight=request.weight,
        capacity=request.capacity,
        wait=wait,
    )
    return stages, projection.reply(lease)
