"""The locks of a collection in MongoDB."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pymongo

from mongolock_async._engine.backend import Call, Page, Transaction
from mongolock_async._errors import LockBackendError
from mongolock_async._protocol import keeping, pipeline, projection, sharing
from mongolock_async._protocol.adoption import Adopted
from mongolock_async._protocol.claim import claim_command, hand_over_command, release_command
from mongolock_async._protocol.expressions import grant_id
from mongolock_async._protocol.kind import Release, base_of
from mongolock_async._protocol.renewal import refreshing, renewal
from mongolock_async._protocol.reply import Reply, View
from mongolock_async._protocol.request import Request, TtlChange

from .adoption import adopt
from .calls import Moment
from .collection import check_loop
from .commands import Commands, reply_of, was_held
from .ear import MemberEar, calls_of
from .encoded import encoded
from .held import change_held
from .link import Link
from .once import finish, reset
from .pages import page
from .sessions import check_transaction
from .site import prepare
from .verify import verify

if TYPE_CHECKING:
    from .collection import Collection

# Not for longer: the moment that a call names may lie beyond the last entry of an idle primary's oplog.
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

    own_thread = False

    def __init__(self, collection: Collection, *, retention: float | None, timeout: float) -> None:
        self._link = Link(collection, timeout)
        self._retention = retention
        self._calls = calls_of(self._link.majority)
        self._commands = Commands(self._link, self._calls)

    @property
    def full_name(self) -> str:
        """``database.collection``."""
        return self._link.full_name

    def bind(self) -> None:
        """See ``Backend``."""
        check_loop(self._link.majority)

    def hurry(self, seconds: float) -> None:
        """See ``Backend``."""
        self._link.hurry(seconds)

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

    async def resize(self, name: str, capacity: int) -> Reply:
        """See ``Backend``."""
        by = self._commands.new_id()
        stages, answer = sharing.resize(capacity, by=by), projection.resized(by=by)
        async with self._commands.session("resize", name) as session:
            found = await self._commands.change(name, stages, answer, session, upsert=True)
        return Reply({} if found is None else found["reply"])

    async def claim(self, request: Request, lease: str, *, first: float | None = None) -> Reply:
        """See ``Backend``. The claim, its repetitions and its withdrawal share one session."""
        by, ear = self._commands.new_id(), self._calls.heard
        base = base_of(lease)
        if request.tick is None and base is None:
            stages, answer = encoded(claim_command, (lease, by), replace(request, name=""), first, ear)
        else:  # each differs from the one before, and upgrades are rare
            stages, answer = claim_command(lease, by, request, first, ear)
        async with self._commands.session("obtain", request.name, lease) as session:
            found = await self._commands.change(request.name, stages, answer, session, upsert=base is None)
            if found is None and base is not None:
                return Reply({})
            if found is None:  # repeated by the driver, and the document deleted before we read it again
                raise LockBackendError("obtain", request.name, "DocumentGone")
        return Reply(found["reply"], found.get("tick"))

    async def finish(self, name: str, lease: str, token: int) -> bool:
        """See ``Backend``."""
        return await finish(self._commands, name, lease, token)

    async def reset(self, name: str) -> bool:
        """See ``Backend``."""
        return await reset(self._commands, name)

    async def adopt(self, name: str, lease: str, token: int, new: str) -> Adopted | None:
        """See ``Backend``."""
        return await adopt(self._link, self._commands, name, lease, token, new)

    async def ask(self, name: str, lease: str, *, mutex: bool = False, keeps: bool = False) -> Reply | None:
        """See ``Backend``."""
        by = self._commands.new_id()
        stages = pipeline.ask(lease, by=by, mutex=mutex, keeps=keeps)
        answer = projection.reply(lease, by=by, mutex=mutex)
        async with self._commands.session("renew", name) as session:
            return reply_of(await self._commands.change(name, stages, answer, session))

    async def look(self, name: str, lease: str) -> Reply | None:
        """See ``Backend``."""
        with self._link.command("look", name):
            find = self._link.local.find_one
            return reply_of(await self._link.insist(lambda: find({"_id": name}, projection.look(lease))))

    async def confirm(self, name: str, lease: str, after: object) -> Reply | None:
        """See ``Backend``. Where there are no majority reads, a write serves."""
        if not isinstance(after, Moment):
            return await self.ask(name, lease)
        with self._link.command("confirm", name), pymongo.timeout(CONFIRM_SECONDS):
            async with self._link.reads.lent() as session:
                after.reach(session)
                find = self._link.majority.find_one
                return reply_of(await find({"_id": name}, projection.look(lease), session=session))

    async def renew(self, leases: Mapping[str, tuple[str, int]], within: float) -> set[str]:
        """See ``Renewer``."""
        return await self._commands.update_many(renewal(leases), within)

    async def refresh(self, places: Mapping[str, str], within: float) -> set[str]:
        """See ``Renewer``."""
        return await self._commands.update_many(refreshing(places), within)

    async def prolong(self, name: str, lease: str, token: int, ttl: TtlChange | None = None) -> Reply | None:
        """See ``Backend``."""
        return await change_held(self._link, "renew", name, lease, token, keeping.prolong(lease, token, ttl))

    async def proclaim(self, name: str, lease: str, token: int, value: str, number: int) -> Reply | None:
        """See ``Backend``."""
        stages = keeping.proclaim(lease, token, value, number)
        return await change_held(self._link, "proclaim", name, lease, token, stages)

    async def release(
        self,
        name: str,
        lease: str,
        back: Sequence[str] = (),
        waiter: str | None = None,
        *,
        token: int | None = None,
        mutex: bool = False,
        keeps: bool = False,
    ) -> tuple[bool | None, Reply | None]:
        """See ``Backend``. For one node, unless a waiter of our own goes by its answer."""
        by, how = self._commands.new_id(), Release(mutex, keeps)
        grant = None if token is None else grant_id(lease, token)
        if back or waiter or grant is None:
            stages, answer = release_command(lease, by, grant, how, back, waiter)
        else:
            stages, answer = encoded(release_command, (lease, by, grant), how)
        async with self._commands.session("release", name) as session:
            sure = waiter is not None
            found, sent = await self._commands.let_out(name, lease, by, stages, answer, session, sure=sure)
        return was_held(found, sent), reply_of(found)

    async def hand_over(
        self, name: str, lease: str, token: int, request: Request, waiter: str, first: float
    ) -> tuple[bool | None, Reply | None]:
        """See ``Backend``."""
        by, ear = self._commands.new_id(), self._calls.heard
        ids = lease, waiter, by, grant_id(lease, token)
        stages, answer = encoded(hand_over_command, ids, replace(request, name=""), first, ear)
        async with self._commands.session("release", name, waiter) as session:
            found, sent = await self._commands.let_out(name, lease, by, stages, answer, session, sure=True)
            if found is None or "mine" in found["reply"] or "place" in found["reply"]:
                return was_held(found, sent), reply_of(found)
            # Repeated by the driver: the stored document tells of the lease alone.
            return was_held(found, sent), reply_of(await self._link.majority.find_one({"_id": name}, answer))

    async def withdraw(
        self, name: str, lease: str, *, mutex: bool = False, keeps: bool = False
    ) -> Reply | None:
        """See ``Backend``. In the session of its claim, if that has no answer; of an upgrade, sure."""
        by, base, how = self._commands.new_id(), base_of(lease), Release(mutex, keeps)
        stages = sharing.downgrade(lease, by=by) if base else pipeline.release([lease], by=by, how=how)
        answer, sure = projection.reply(base or lease, by=by, mutex=mutex), base is not None
        async with self._commands.session("release", name, of=lease) as session:
            found, _ = await self._commands.let_out(name, lease, by, stages, answer, session, sure=sure)
        return reply_of(found)

    async def force(self, name: str, token: int | None = None) -> bool:
        """See ``Backend``."""
        by = self._commands.new_id()
        stages, answer = pipeline.force(by=by, token=token), projection.release(by, by=by)
        async with self._commands.session("force_release", name) as session:
            found, _ = await self._commands.let_out(name, by, by, stages, answer, session, sure=True)
        return found is not None and bool(found["released"])

    def transaction(self, session: object) -> Transaction:
        """See ``Backend``."""
        return check_transaction(session)

    async def verify(self, name: str, lease: str, token: int, session: Transaction) -> bool:
        """See ``Backend``."""
        return await verify(self._link, name, lease, token, session)

    async def view(self, name: str) -> View | None:
        """See ``Backend``."""
        with self._link.command("get", name):
            found = await self._link.local.find_one({"_id": name}, projection.view())
        if found is not None and found["info"] is None:
            raise self._link.foreign(name)
        view: View | None = found and found["info"]
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
