"""Those of a member who wait: of each name, one stands in the lock's queue, and hears of its grant."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from mongolock_async._errors import LockBackendError
from mongolock_async._protocol.kind import Size
from mongolock_async._protocol.reply import Grant, Reply

from . import clock as clocks
from .backend import Backend, Call
from .background import Background
from .caller import Caller
from .clock import Clock
from .giver import Giver
from .holding import Holding
from .leases import Leases
from .lifetime import Lifetime
from .line import Lines
from .others import Others
from .place import Place, State
from .refusal import AlreadyDoneError, check
from .renewable import keeping
from .unsent import Unsent

T = TypeVar("T")


class Waiting:
    """Waits for locks.

    Attributes:
        count: how many tasks wait now.
        others: who was in the way.
        ear: what hears of grants.
    """

    def __init__(
        self,
        member: str,
        backend: Backend,
        leases: Leases,
        background: Background,
        clock: Clock,
        lifetime: Lifetime,
    ) -> None:
        self.count = 0
        self.others = Others(backend, background, clock)
        self.ear = backend.ear(member, self._hear, self._wake)
        self._backend = backend
        self._leases = leases
        self._background = background
        self._clock = clock
        self._lifetime = lifetime
        self._lines = Lines()
        self._places: dict[str, Place] = {}
        self._unsent = Unsent(leases)

    async def acquire(self, caller: Caller) -> Holding:
        """Wait for the lock."""
        return await self.in_time(caller, self._in_line(caller))

    async def in_time(self, caller: Caller, wait: Coroutine[Any, Any, T]) -> T:
        """Wait as long as the caller is willing to."""
        self.count += 1
        try:
            return await self.others.in_time(caller, wait)
        finally:
            self.count -= 1

    def places(self, name: str) -> list[Place]:
        """Those in which we stand, or are about to stand, in the queue of this lock; but for upgrades."""
        return [place for place in self._places.values() if place.name == name and not place.upgrades]

    def take_over(self, holding: Holding) -> Giver | None:
        """Have our own next claim release this lease, if it is not sent yet, and nobody waits elsewhere."""
        return None if self.others.crowded(holding.name) else self._unsent.take(holding)

    def released(self, name: str) -> None:
        """We have released the lock ourselves: no need to poll for that."""
        if self.ear.deaf:
            for place in (one for one in self._places.values() if one.name == name):
                place.began = place.look_due = self._clock.now()
                place.news.set()

    async def aclose(self) -> None:
        """Nobody waits any more, and nobody stands in a queue."""
        for place in list(self._places.values()):
            place.withdraw()
        while self.count:
            await self._background.drain()
            await asyncio.sleep(0)
        await self.ear.aclose()

    async def _in_line(self, caller: Caller) -> Holding:
        name = caller.request.name
        async with caller.until_answered():
            await self._lifetime.begin()
        async with caller.until_served():
            ticket = await self._lines.enter(name, caller.story.waits, reads=caller.request.reads)
        try:
            return await self._first_in_line(caller)
        finally:
            self._lines.leave(name, ticket)

    async def _first_in_line(self, caller: Caller) -> Holding:
        request = caller.request
        while True:
            self._lifetime.check()
            place = Place(request.name, self._leases.new_id(), self._clock, keep_alive=request.is_made_whole)
            granted = await self.stand(caller, place, self._leases.first(request))
            if granted is not None:
                return self._leases.hold(request, place.id, *granted)
            caller.check()

    async def stand(self, caller: Caller, place: Place, first: float | None) -> tuple[float, Grant] | None:
        """Stand there until it is granted or lost, or the repository is closed; who is not served, leaves."""
        self._places[place.id] = place
        leaves = True
        try:
            await self._stand(caller, place, first)
            leaves = place.grant is None
        except AlreadyDoneError:  # everybody has been taken out
            leaves = False
            raise
        finally:
            del self._places[place.id]
            if leaves:
                stood = place.state is not State.LOST
                place.withdraw()
                caller.leaving = self._background.spawn(self._leave(place, caller.request.size, stood=stood))
        return place.grant

    async def _stand(self, caller: Caller, place: Place, first: float | None) -> None:
        place.deaf = self.ear.deaf
        claim = self._unsent.claim(caller.request, place.id, first)
        self._heard(caller, place, *await self._do(caller, place, claim))
        if not place.waits:
            return
        caller.story.waits(place.before)
        with keeping(self._leases.keep_alive, place), self.ear.wanted():
            while place.waits:
                await self._news(caller, place)
                if place.state is State.CALLED:
                    await self._confirm(caller, place)
                elif place.state is State.QUEUED:
                    await self._find_out(caller, place)
        if place.grant is not None:
            self._leases.handed.add(place.grant[1].age)
            caller.story.handed(place.grant[1].age)

    async def _news(self, caller: Caller, place: Place) -> None:
        """Return when there is a reason to ask or to look, or nothing to wait for."""
        async with caller.until_served():
            while place.state is State.QUEUED:
                place.news.clear()
                pause = min(place.ask_due, place.look_due) - self._clock.now()
                if pause <= 0:
                    return
                await clocks.wait(self._clock, place.news, pause)
                place.poll(deaf=self.ear.deaf)

    async def _find_out(self, caller: Caller, place: Place) -> None:
        """Look whether there is something to ask for; at the time of an expiry, ask."""
        if self._clock.now() < place.ask_due:
            look = self._background.spawn(self._backend.look(place.name, place.id))
            look.add_done_callback(lambda _: place.news.set())
            async with caller.until_served():
                while place.state is State.QUEUED and not look.done():
                    place.news.clear()
                    await place.news.wait()
            if not look.done():  # a call came first; a look may hang for long where a server is silent
                return
            self.others.see(place.name, reply := look.result(), caller.request.size)
            if reply is not None and reply.place is not None and not reply.fits and place.waits:
                check(caller.request, reply)
                place.stands(reply)
                place.poll(deaf=self.ear.deaf)
                return
            if reply is not None and reply.grant is not None:
                self.ear.missed()
        if place.waits:
            await self._ask(caller, place)

    async def _confirm(self, caller: Caller, place: Place) -> None:
        """A call alone is never believed: the server says what it is worth."""
        assert place.call is not None
        after = place.call.after
        if not place.keep_alive:  # nothing would make it whole
            await self._ask(caller, place)
            return
        place.asks()
        sent = self._clock.now()
        try:
            reply = await self._do(caller, place, self._backend.confirm(place.name, place.id, after))
        except LockBackendError:
            place.unheard()
        else:
            self._heard(caller, place, sent, reply)

    async def _ask(self, caller: Caller, place: Place) -> None:
        place.asks()
        self._heard(caller, place, *await self._do(caller, place, self._leases.ask(caller.request, place.id)))

    def _heard(self, caller: Caller, place: Place, sent: float, reply: Reply | None) -> None:
        if reply is not None and reply.grant is not None:
            place.granted(sent, reply.grant)
            return
        if reply is not None:
            check(caller.request, reply)
        place.answered(reply)
        self.others.see(place.name, reply, caller.request.size)
        if place.waits:
            place.poll(deaf=self.ear.deaf)

    async def _do(self, caller: Caller, place: Place, work: Coroutine[Any, Any, T]) -> T:
        """To its end, whatever becomes of the caller."""
        task = self._background.spawn(work)
        place.command = task
        async with caller.until_answered():
            return await asyncio.shield(task)

    async def _leave(self, place: Place, size: Size, *, stood: bool) -> None:
        if place.command is not None:
            await asyncio.wait([place.command])
        reply = await self._leases.withdrawals.withdraw(place.name, place.id)
        # That nobody holds it now may come of this very leaving; and after a loss, we may be the holder.
        if stood and reply is not None and reply.holders:
            self.others.see(place.name, reply, size)

    def _hear(self, call: Call) -> None:
        if place := self._places.get(call.lease):
            place.called(call)
        elif call.lease in self._leases.withdrawals.left_behind:
            self._leases.withdrawals.soon(call.name, call.lease)

    def _wake(self) -> None:
        """Calls may have been missed: only a look tells."""
        for place in self._places.values():
            place.look_due = self._clock.now()
            place.news.set()
