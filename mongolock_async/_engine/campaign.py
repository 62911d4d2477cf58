"""One process in an election: it stands for it, leads, and looks who does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

from mongolock_async._errors import LeaseLostError, LockError
from mongolock_async._protocol.reply import Person
from mongolock_async._protocol.request import Request

from .block import note_loss
from .holding import Holding
from .member import Member
from .outage import Outage

Lease = TypeVar("Lease")

# Seconds from one look at the leader to the next.
PERIOD = 1.0


class Campaign:
    """One candidate, or one who only looks."""

    def __init__(self, member: Member, request: Request) -> None:
        self._member = member
        self._request = request
        self._who = f"the election {request.name!r}"

    async def run(
        self, lease_of: Callable[[Holding], Lease], serve: Callable[[Lease], Awaitable[object]]
    ) -> None:
        """Campaign until it has served to the end, or the member is closed.

        ``lease_of``: what ``serve`` is given of what is held.
        """
        lifetime, outage = self._member.lifetime, Outage(self._who)
        lifetime.check()
        while not lifetime.is_closed:
            try:
                holding = await self._elected(outage)
            except LockError as error:
                if not lifetime.is_closed:
                    await lifetime.sleep(outage.met(error))
                continue
            if await self._has_served(holding, lease_of(holding), serve):
                return

    async def leader(self) -> Person | None:
        """Who leads now; None: nobody."""
        lock = await self._member.view(self._request.name)
        return next(iter(lock["holders"]), None) if lock is not None else None

    async def leaders(self) -> AsyncGenerator[Person | None, None]:
        """Who leads now, and then each change, until the member is closed. It goes on after an outage."""
        lifetime, outage, clock = self._member.lifetime, Outage(self._who), self._member.clock
        lifetime.check()
        told: object = self  # nothing yet
        while not lifetime.is_closed:
            due = clock.now() + PERIOD
            try:
                leader = await self.leader()
            except LockError as error:
                if not lifetime.is_closed:
                    await lifetime.sleep(min(outage.met(error), PERIOD))
                continue
            outage.over()
            if lifetime.is_closed:
                return
            seen = leader and (leader["owner"], leader["token"], leader.get("value", ""))
            if seen != told:
                told = seen
                yield leader
            await lifetime.sleep(due - clock.now())  # no time, if whoever looks took longer

    async def _elected(self, outage: Outage) -> Holding:
        """Be elected. At first, and after an outage, ask without waiting: an answer is the end of that."""
        if not outage.works:
            holding, _ = await self._member.claim(self._request)
            outage.over()
            if holding is not None:
                return holding
        return await self._member.acquire(self._request, None)

    async def _has_served(
        self, holding: Holding, lease: Lease, serve: Callable[[Lease], Awaitable[object]]
    ) -> bool:
        """Serve, and release the lease when that has ended; False: it was lost, and that has ended it."""
        blocks = self._member.leases.blocks
        block = blocks.enter(holding)
        try:
            await serve(lease)
        except BaseException as error:
            by_loss = blocks.leave(block, type(error)) or holding.is_lost_by(error)
            lost = await self._member.end(holding)
            if lost is not None and by_loss and isinstance(error, (asyncio.CancelledError, LeaseLostError)):
                return False
            if lost is not None:
                note_loss(error, holding, lost)
            raise
        blocks.leave(block, None)
        lost = await self._member.end(holding)
        return lost is None or not block.interrupted
