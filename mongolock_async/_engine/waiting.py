"""Those of a member who wait: of each name, one stands in the lock's queue, and hears of its grant."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from mongolock_async._errors import LockBackendError
from mongolock_async._protocol.reply import Reply
from mongolock_async._protocol.request import Request

from . import clock as clocks
from .backend import Backend, Call
from .background import Background
from .clock import Clock
from .giver import Giver
from .holding import Holding
from .leases import Leases
from .lifetime import Lifetime
from .line import Lines
from .others import Others
from .pauses import FIRST_LOOK, poll_pause
from .place import Place, State
from .unsent import Unsent

T = TypeVar("T")

# A timeout waits this long at most until its place in the queue is gone.
LEAVING = 1.0


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
        self.others = Others(clock)
        self.ear = backend.ear(member, self._hear, self._wake)
        self._backend = backend
        self._leases = leases
        self._background = background
        self._clock = clock
        self._lifetime = lifetime
        self._lines = Lines()
        self._places: dict[str, Place] = {}
        self._unsent = Unsent(leases)
        self._leaving: dict[str, asyncio.Task[None]] = {}

    async def acquire(self, request: Request, timeout: float | None) -> Holding:
        """Wait for the lock."""
        self.count += 1
        try:
            async with clocks.timeout(self._clock, timeout) as scope:
                await self._lifetime.begin()
                ticket = await self._lines.enter(request.name)
                try:
                    return await self._first_in_line(request)
                finally:
                    self._lines.leave(request.name, ticket)
        except TimeoutError as error:
            if timeout is None or not scope.expired():
                raise
            if leaving := self._leaving.get(request.name):
                await asyncio.wait([leaving], timeout=LEAVING)
            raise self.others.too_late(request.name, timeout) from error
        finally:
            self.count -= 1
            if request.name not in self._lines:
                self.others.forget(request.name)

    def places(self, name: str) -> list[Place]:
        """Those in which we stand, or are about to stand, in the queue of this lock."""
        return [place for place in self._places.values() if place.name == name]

    def take_over(self, holding: Holding) -> Giver | None:
        """Have our own next claim release this lease, if it is not sent yet, and nobody waits elsewhere."""
        return None if self.others.crowded(holding.name) else self._unsent.take(holding)

    def released(self, name: str) -> None:
        """We have released the lock ourselves: no need to poll for that."""
        if self.ear.deaf:
            for place in self.places(name):
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

    async def _first_in_line(self, request: Request) -> Holding:
        while True:
            self._lifetime.check()
            lease_id = self._leases.new_id()
            place = Place(request.name, lease_id, self._clock, keep_alive=request.keep_alive)
            self._places[place.id] = place
            served = False
            try:
                await self._stand(request, place)
                if place.grant is not None:
                    sent, grant = place.grant
                    served = True
                    return self._leases.hold(request, place.id, sent, grant)
            finally:
                del self._places[place.id]
                if not served:
                    self._withdraw(place)

    async def _stand(self, request: Request, place: Place) -> None:
        """Queue up, and wait until the place is granted or lost, or the repository is closed."""
        first = self._leases.first(request)
        place.deaf = self.ear.deaf
        sent, reply = await self._do(place, self._unsent.claim(request, place.id, first))
        self._heard(place, sent, reply)
        if not place.waits:
            return
        with self._leases.keep_alive.keeping(place), self.ear.wanted():
            while place.waits:
                await self._news(place)
                if place.state is State.CALLED:
                    await self._confirm(request, place)
                elif place.state is State.QUEUED:
                    await self._find_out(request, place)
        if place.grant is not None:
            self._leases.handed.add(place.grant[1].age)

    async def _news(self, place: Place) -> None:
        """Return when there is a reason to ask or to look, or nothing to wait for."""
        while place.state is State.QUEUED:
            place.news.clear()
            pause = min(place.ask_due, place.look_due) - self._clock.now()
            if pause <= 0:
                return
            await clocks.wait(self._clock, place.news, pause)
            self._poll(place)

    def _poll(self, place: Place) -> None:
        """Where nothing is heard, one who waits looks often; where nobody knows whom to call, each second."""
        if self.ear.deaf or place.deaf:
            now = self._clock.now()
            pause = poll_pause(now - place.began, place.before) if self.ear.deaf else FIRST_LOOK
            place.look_due = min(place.look_due, now + pause)

    async def _find_out(self, request: Request, place: Place) -> None:
        """Look whether there is something to ask for; at the time of an expiry, ask."""
        if self._clock.now() < place.ask_due:
            look = self._background.spawn(self._backend.look(place.name, place.id))
            look.add_done_callback(lambda _: place.news.set())
            while place.state is State.QUEUED and not look.done():
                place.news.clear()
                await place.news.wait()
            if not look.done():  # a call came first; a look may hang for long where a server is silent
                return
            reply = look.result()
            if reply is not None and reply.place is not None and not reply.fits and place.waits:
                place.stands(reply)
                self._poll(place)
                self.others.see(place.name, reply)
                return
            if reply is not None and reply.grant is not None:
                self.ear.missed()
        if place.waits:
            await self._ask(request, place)

    async def _confirm(self, request: Request, place: Place) -> None:
        """A call alone is never believed: the server says what it is worth."""
        assert place.call is not None
        after = place.call.after
        if not request.keep_alive:  # nothing would make it whole
            await self._ask(request, place)
            return
        place.asks()
        sent = self._clock.now()
        try:
            reply = await self._do(place, self._backend.confirm(place.name, place.id, after))
        except LockBackendError:
            place.unheard()
        else:
            self._heard(place, sent, reply)

    async def _ask(self, request: Request, place: Place) -> None:
        place.asks()
        self._heard(place, *await self._do(place, self._leases.ask(request, place.id)))

    def _heard(self, place: Place, sent: float, reply: Reply | None) -> None:
        if reply is not None and reply.grant is not None:
            place.granted(sent, reply.grant)
            return
        place.answered(reply)
        if reply is not None and place.waits:
            self._poll(place)
            self.others.see(place.name, reply)

    async def _do(self, place: Place, work: Coroutine[Any, Any, T]) -> T:
        """To its end, whatever becomes of the caller."""
        task = self._background.spawn(work)
        place.command = task
        return await asyncio.shield(task)

    def _withdraw(self, place: Place) -> None:
        """Leave the queue, in the background."""
        name = place.name
        task = self._leaving[name] = self._background.spawn(self._leave(place))

        def done(task: asyncio.Task[None]) -> None:
            if self._leaving.get(name) is task:
                del self._leaving[name]

        task.add_done_callback(done)
        place.withdraw()

    async def _leave(self, place: Place) -> None:
        if place.command is not None:
            await asyncio.wait([place.command])
        reply = await self._leases.withdraw(place.name, place.id)
        if reply is not None and place.name in self.others:
            self.others.see(place.name, reply)

    def _hear(self, call: Call) -> None:
        if place := self._places.get(call.lease):
            place.called(call)
        elif call.lease in self._leases.left_behind:
            self._leases.withdraw_soon(call.name, call.lease)

    def _wake(self) -> None:
        """Calls may have been missed: only a look tells."""
        for place in self._places.values():
            place.look_due = self._clock.now()
            place.news.set()
