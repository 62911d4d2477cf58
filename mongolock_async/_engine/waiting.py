"""Those of a member who wait: of each name, one stands in the lock's queue, and hears of its grant."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from mongolock_async._protocol.reply import Grant, Reply
from mongolock_async._protocol.request import Request

from . import clock as clocks
from .backend import Backend, Call
from .background import Background
from .calls import Calls
from .clock import Clock
from .holding import RELEASED, Holding
from .leases import Leases
from .lifetime import Lifetime
from .line import Lines
from .others import Others
from .pauses import poll_pause
from .place import Place, State

T = TypeVar("T")

# A timeout waits this long at most until its place in the queue is gone.
LEAVING = 1.0
# A grant by call counts from the last answer before it. Where that is older than this part of the ttl,
# the lease is renewed at once, in the background.
RENEWED = 1 / 10
# And at least this often, for the sake of the statistics.
MEASURED = 1.0


class Waiting:
    """Waits for locks.

    Attributes:
        count: how many tasks wait now.
        others: who was in the way.
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
        self._backend = backend
        self._leases = leases
        self._background = background
        self._clock = clock
        self._lifetime = lifetime
        self._lines = Lines()
        self._places: dict[str, Place] = {}
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._calls = Calls(functools.partial(backend.listen, member), self._hear, self._wake, clock)

    @property
    def mode(self) -> str | None:
        """How they hear of their grants."""
        return self._calls.mode

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

    def places(self, name: str) -> list[str]:
        """The lease ids under which we stand in the queue of this lock."""
        return [place.id for place in self._places.values() if place.name == name]

    def released(self, name: str) -> None:
        """We have released the lock ourselves: no need to poll for that."""
        if self._calls.opened is None:
            for place in self._places.values():
                if place.name == name:
                    place.began = self._clock.now()
                    place.news.set()

    async def aclose(self) -> None:
        """Nobody waits any more, and nobody stands in a queue."""
        for place in list(self._places.values()):
            place.withdraw()
        while self.count:
            await self._background.drain()
            await asyncio.sleep(0)
        await self._calls.aclose()

    async def _first_in_line(self, request: Request) -> Holding:
        while True:
            self._lifetime.check()
            place = Place(request.name, self._leases.new_id(), self._clock)
            self._places[place.id] = place
            try:
                holding = await self._stand(request, place)
            finally:
                del self._places[place.id]
                if place.state is not State.GRANTED:
                    self._withdraw(place)
            if holding is not None:
                return holding

    async def _stand(self, request: Request, place: Place) -> Holding | None:
        """Queue up, and wait; None: the place is lost, or the repository is closed."""
        sent = self._clock.now()
        holding, reply = await self._do(place, self._leases.claim(request, place.id, wait=True))
        if holding is None:
            self._heard(place, sent, reply)
            with self._kept(place), self._calls.wanted():
                while holding is None and place.waits:
                    await self._news(place)
                    if place.waits:
                        holding = self._believe(request, place) or await self._ask(request, place)
        if holding is not None:
            place.granted()
        return holding

    async def _ask(self, request: Request, place: Place) -> Holding | None:
        """Ask the server how it stands."""
        place.asks()
        sent = self._clock.now()
        holding, reply = await self._do(place, self._leases.ask(request, place.id))
        if holding is None:
            self._heard(place, sent, reply)
        return holding

    def _heard(self, place: Place, sent: float, reply: Reply | None) -> None:
        place.answered(sent, reply)
        if reply is not None and place.waits:
            self.others.see(place.name, reply)

    async def _news(self, place: Place) -> None:
        """Return when there is a reason to ask, or nothing to wait for."""
        while place.state is State.QUEUED:
            place.news.clear()
            now = self._clock.now()
            opened = self._calls.opened
            # What was granted between our question and the opening of the listener, no call reports.
            if now >= place.due or (opened is not None and place.opening < self._calls.openings):
                return
            pause = place.due - now
            if opened is None:
                pause = min(pause, poll_pause(now - place.began, place.before))
            await clocks.wait(self._clock, place.news, pause)
            if opened is None and self._calls.opened is None and await self._looks_served(place):
                return

    async def _looks_served(self, place: Place) -> bool:
        """Whether a look shows that a question is worth its write."""
        look = self._background.spawn(self._backend.look(place.name, place.id))
        await asyncio.wait([look])
        reply = look.result()
        if reply is None or reply.place is None:
            return True
        if reply.next_expiry is not None:
            place.stands(reply)
        return False

    def _believe(self, request: Request, place: Place) -> Holding | None:
        """Take a call's word for it, where that is safe."""
        # With more capacity, a call's token may be that of one who was granted along with us.
        told = place.told(request.ttl) if request.capacity == 1 else None
        if told is None:
            return None
        token, confirmed = told
        self._leases.keep_alive.discard(place)
        now = self._clock.now()
        holding = self._leases.hold(request, place.id, Grant(token, request.ttl), confirmed)
        if now - confirmed > request.ttl * RENEWED or now - self._leases.handed_at > MEASURED:
            self._background.spawn(self._leases.measure_hand_over(holding), detached=True)
        return holding

    @contextmanager
    def _kept(self, place: Place) -> Iterator[None]:
        self._leases.keep_alive.add(place)
        try:
            yield
        finally:
            self._leases.keep_alive.discard(place)

    async def _do(self, place: Place, work: Coroutine[Any, Any, T]) -> T:
        """To its end, whatever becomes of the caller."""
        place.opening = self._calls.openings
        task = self._background.spawn(work)
        place.command = task
        await asyncio.wait([task])
        return task.result()

    def _withdraw(self, place: Place) -> None:
        """Leave the queue, in the background."""
        name = place.name
        task = self._leaving[name] = self._background.spawn(self._leave(place), detached=True)

        def done(task: asyncio.Task[None]) -> None:
            if self._leaving.get(name) is task:
                del self._leaving[name]

        task.add_done_callback(done)
        place.withdraw()

    async def _leave(self, place: Place) -> None:
        if place.command is not None:
            await asyncio.wait([place.command])
            failed = place.command.cancelled() or place.command.exception() is not None
            if not failed and (holding := place.command.result()[0]):
                holding.end(RELEASED)
        reply = await self._leases.withdraw(place.name, place.id)
        if reply is not None and reply.grant is None and place.name in self.others:
            self.others.see(place.name, reply)

    def _hear(self, call: Call) -> None:
        if place := self._places.get(call.lease):
            place.called(call)

    def _wake(self) -> None:
        for place in self._places.values():
            place.news.set()
