"""Leases that are to weigh all of their lock for some time, and then no more than before."""

from __future__ import annotations

import asyncio
import itertools

from mongolock_async._errors import LockError
from mongolock_async._protocol.kind import upgrade_id

from .backend import Backend
from .background import Background
from .caller import Caller
from .clock import Clock
from .holding import Holding
from .leases import Leases
from .lifetime import Lifetime
from .listeners import Listeners
from .pauses import Backoff
from .place import Place
from .told import story_of
from .waiting import Waiting


class Upgrades:
    """Of one member. An upgrade stands before all who wait, and in no line of its process."""

    def __init__(
        self,
        backend: Backend,
        leases: Leases,
        waiting: Waiting,
        background: Background,
        clock: Clock,
        lifetime: Lifetime,
        listeners: Listeners,
    ) -> None:
        self._backend = backend
        self._leases = leases
        self._waiting = waiting
        self._background = background
        self._clock = clock
        self._lifetime = lifetime
        self._listeners = listeners
        self._numbers = itertools.count(1)
        self._under_way: set[Holding] = set()
        self._withdrawals: dict[Holding, asyncio.Task[None]] = {}

    async def upgrade(self, holding: Holding, timeout: float | None) -> None:
        """Wait until it weighs all of the lock; with a timeout of 0, ask once."""
        self._begin(holding)
        if holding.upgraded or holding.ended is not None:
            if not holding.held:
                raise holding.loss()
            return
        self._under_way.add(holding)
        try:
            request, token = holding.request.upgrade(), holding.fencing_token
            story = story_of(self._listeners, request)
            caller = Caller(request, timeout, self._clock, token=token, story=story)
            await story.of(self._waiting.in_time(caller, self._wait(caller, holding)))
            story.upgraded(holding)
        finally:
            self._under_way.discard(holding)

    async def downgrade(self, holding: Holding) -> bool:
        """Whether it is still ours. For us it weighs what it did before, whatever the server answers."""
        self._begin(holding)
        holding.upgraded = False
        if holding.ended is None and holding.upgrade is not None:
            await self._take_back(holding)
        return holding.held

    def _begin(self, holding: Holding) -> None:
        self._lifetime.check()
        if holding in self._under_way:
            raise LockError(f"an upgrade of this lease of {holding.name!r} is under way")

    async def _wait(self, caller: Caller, holding: Holding) -> None:
        backoff = Backoff()
        if holding.upgrade is not None:  # it was given up, and may have been granted all the same
            async with caller.until_answered():
                await self._take_back(holding)
        while not await self._stand(caller, holding):
            caller.check()
            self._lifetime.check()
            async with caller.until_served():
                await self._lifetime.sleep(backoff.pause(None))

    async def _stand(self, caller: Caller, holding: Holding) -> bool:
        """Whether it was granted; else its place was lost, but not its lease."""
        self._lifetime.check()
        place = Place(holding.name, upgrade_id(holding.id, next(self._numbers)), self._clock)
        if holding.ended is None:
            holding.upgrade = place.id
            first = None if caller.timeout == 0 else self._leases.first(caller.request)
            with holding.watched(lambda _: place.withdraw()):
                granted = await self._waiting.stand(caller, place, first)
            if granted is not None and holding.held:
                holding.upgraded = True
                return True
        if holding.ended is None:
            async with caller.until_answered():
                await self._background.finish(self._leases.renew(holding))
        if not holding.held:
            raise holding.loss()
        return False

    async def _take_back(self, holding: Holding) -> None:
        """One command at a time. Whoever waited for another's sends none, unless that has failed."""
        upgrade = holding.upgrade
        while withdrawal := self._withdrawals.get(holding):
            await asyncio.wait([withdrawal])
        if upgrade is not None and holding.upgrade == upgrade:  # else, a later one may stand there
            withdrawal = self._background.spawn(self._withdraw(holding, upgrade))
            self._withdrawals[holding] = withdrawal
            withdrawal.add_done_callback(lambda _: self._withdrawals.pop(holding))
            await asyncio.shield(withdrawal)

    async def _withdraw(self, holding: Holding, upgrade: str) -> None:
        reply = await self._backend.withdraw(holding.name, upgrade)
        holding.upgrade = None
        if reply is None or reply.grant is None:  # it is over; or the driver has repeated the command
            await self._leases.renew(holding)
