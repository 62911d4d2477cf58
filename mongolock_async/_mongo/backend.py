"""The locks of a collection in MongoDB."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from mongolock_async._engine.backend import Call, Page, Transaction
from mongolock_async._errors import LockBackendError
from mongolock_async._protocol import pipeline, projection
from mongolock_async._protocol.claim import claim_command, hand_over_command
from mongolock_async._protocol.expressions import Stage
from mongolock_async._protocol.reply import Reply, View
from mongolock_async._protocol.request import Request

from .calls import Moment
from .commands import Commands
from .ear import MemberEar, calls_of
from .encoded import encoded
from .link import Link
from .pages import page
from .site import prepare

if TYPE_CHECKING:
    from .collection import Collection

# By this label of an error, with_transaction knows that it may start again.
TRANSIENT = "TransientTransactionError"
CONFLICT = 112
# A call is confirmed within so many seconds, or not at all: the moment that it names may lie beyond the last
# entry of an idle primary's oplog.
CONFIRM_SECONDS = 1.0


class MongoBackend:
    """The locks of one collection.

    Claims and renewals are acknowledged by a majority. Releases need one node only: if a failover undoes
    one, the lock stays held until its ttl, and is never held twice.

    Args:
        collection: of either driver.
        retention: seconds after which the document of an unused lock is removed; None: never.
        timeout: seconds after which a command is given up.
    """

    def __init__(self, collection: Collection, *, retention: float | None, timeout: float) -> None:
        self._link = Link(collection, timeout)
        self._retention = retention
        self._calls = calls_of(self._link.majority)
        self._commands = Commands(self._link, self._calls)

    @property
    def full_name(self) -> str:
        """``database.collection``."""
        return self._link.full_name

    async def index(self) -> bool:
        """See ``Backend``."""
        return await prepare(self._link, self._retention)

    async def create(self, name: str) -> None:
        """See ``Backend``."""
        by = self._commands.new_id()
        async with self._commands.session("create", name) as session:
            await self._commands.change(
                name, pipeline.touch(by=by), projection.reply("", by=by), session, upsert=True
            )

    async def claim(self, request: Request, lease: str, *, first: float | None = None) -> Reply:
        """See ``Backend``. The claim, its repetitions and its withdrawal share one session."""
        by, ear = self._commands.new_id(), None if self._calls.deaf else self._calls.id
        if request.tick is None:
            stages, answer = encoded(claim_command, (lease, by), replace(request, name=""), first, ear)
        else:  # each differs from the one before
            stages, answer = claim_command(lease, by, request, first, ear)
        async with self._commands.session("obtain", request.name, lease) as session:
            found = await self._commands.change(request.name, stages, answer, session, upsert=True)
            if found is None:  # repeated by the driver, and the document deleted before we read it again
                raise LockBackendError("obtain", request.name, "DocumentGone")
        return Reply(found["reply"], found.get("tick"))

    async def ask(self, name: str, lease: str) -> Reply | None:
        """See ``Backend``."""
        by = self._commands.new_id()
        async with self._commands.session("renew", name) as session:
            stages, answer = pipeline.ask(lease, by=by), projection.reply(lease, by=by)
            return _reply(await self._commands.change(name, stages, answer, session))

    async def look(self, name: str, lease: str) -> Reply | None:
        """See ``Backend``."""
        with self._link.command("look", name):
            find = functools.partial(self._link.local.find_one, {"_id": name}, projection.look(lease))
            return _reply(await self._link.insist(find))

    async def confirm(self, name: str, lease: str, after: object) -> Reply | None:
        """See ``Backend``. Where there are no majority reads, a write serves."""
        if not isinstance(after, Moment):
            return await self.ask(name, lease)
        with self._link.command("confirm", name), pymongo.timeout(CONFIRM_SECONDS):
            async with self._link.reads.lent() as session:
                after.reach(session)
                find = self._link.majority.find_one
                return _reply(await find({"_id": name}, projection.look(lease), session=session))

    async def renew(self, leases: Mapping[str, tuple[str, int]], within: float) -> set[str]:
        """See ``Backend``. A second command tells which, where not all of them stand."""
        tokens = dict(leases.values())
        ids = {name: lease for name, (lease, _) in leases.items()}
        stages, stand = pipeline.renew(tokens), pipeline.held(tokens)
        return await self._commands.update_many(ids, stages, "$holders", stand, within)

    async def refresh(self, places: Mapping[str, str], within: float) -> set[str]:
        """See ``Backend``. A second command tells which, where not all of them stand."""
        ids = list(places.values())
        stages, stand = pipeline.refresh(ids), pipeline.queued(ids)
        return await self._commands.update_many(places, stages, "$queue", stand, within)

    async def prolong(self, name: str, lease: str, token: int) -> Reply | None:
        """See ``Backend``."""
        stages, answer = pipeline.renew({lease: token}), projection.renewal(lease, token)
        with self._link.command("renew", name):
            found = await self._link.change({"_id": name, "holders.lease": lease}, stages, answer)
            if found is None:
                found = await self._link.majority.find_one({"_id": name}, answer)
        return _reply(found)

    async def release(
        self, name: str, lease: str, back: Sequence[str] = (), waiter: str | None = None
    ) -> tuple[bool | None, Reply | None]:
        """See ``Backend``. For one node, unless a waiter of our own goes by its answer."""
        by = self._commands.new_id()
        if back or waiter:
            stages, answer = _release(lease, by, back, waiter)
        else:
            stages, answer = encoded(_release, (lease, by))
        async with self._commands.session("release", name) as session:
            found, sent = await self._commands.let_out(
                name, lease, by, stages, answer, session, sure=waiter is not None
            )
        return _was_held(found, sent), _reply(found)

    async def hand_over(
        self, name: str, lease: str, request: Request, waiter: str, first: float
    ) -> tuple[bool | None, Reply | None]:
        """See ``Backend``."""
        by, ear = self._commands.new_id(), None if self._calls.deaf else self._calls.id
        stages, answer = encoded(
            hand_over_command, (lease, waiter, by), replace(request, name=""), first, ear
        )
        async with self._commands.session("release", name, waiter) as session:
            found, sent = await self._commands.let_out(name, lease, by, stages, answer, session, sure=True)
            if found is None or "mine" in found["reply"] or "place" in found["reply"]:
                return _was_held(found, sent), _reply(found)
            # Repeated by the driver: the stored document tells of the lease alone.
            return _was_held(found, sent), _reply(await self._link.majority.find_one({"_id": name}, answer))

    async def withdraw(self, name: str, lease: str) -> Reply | None:
        """See ``Backend``. In the session of its claim, if that has no answer."""
        by = self._commands.new_id()
        stages, answer = pipeline.release([lease], by=by), projection.reply(lease, by=by)
        async with self._commands.session("release", name, of=lease) as session:
            found, _ = await self._commands.let_out(name, lease, by, stages, answer, session)
        return _reply(found)

    async def force(self, name: str) -> bool:
        """See ``Backend``."""
        by = self._commands.new_id()
        stages, answer = pipeline.release_all(by=by), projection.release(by, by=by)
        async with self._commands.session("force_release", name) as session:
            found, _ = await self._commands.let_out(name, by, by, stages, answer, session, sure=True)
        return found is not None and bool(found["released"])

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

    async def page(self, prefix: str, after: str | None = None, *, held: bool = False) -> Page:
        """See ``Backend``."""
        return await page(self._link, prefix, after, held=held)

    def ear(self, member: str, hear: Callable[[Call], None], changed: Callable[[], None]) -> MemberEar:
        """See ``Backend``."""
        return MemberEar(self._calls, member, hear, changed)

    async def aclose(self) -> None:
        """See ``Backend``."""
        await self._link.aclose()


def _release(
    lease: str, by: str, back: Sequence[str] = (), waiter: str | None = None
) -> tuple[list[Stage], Stage]:
    return pipeline.release([lease], by=by, back=back), projection.release(lease, by=by, waiter=waiter)


def _was_held(found: Mapping[str, Any] | None, sent: int) -> bool | None:
    """None: it may have been; one that was sent twice may have found out the first time."""
    return (found is not None and bool(found["released"])) or (None if sent > 1 else False)


def _reply(found: Mapping[str, Any] | None) -> Reply | None:
    return None if found is None else Reply(found["reply"])
