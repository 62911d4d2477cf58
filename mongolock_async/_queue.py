"""Those of a session who wait: of each name, one stands in the lock's queue, and hears of its grant."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

from . import _clock
from ._background import Background
from ._claims import Claims
from ._document import Grant, Holder, Reply
from ._errors import LockTimeoutError
from ._feed import Feed
from ._holding import RELEASED, Holding
from ._place import Place
from ._request import Request
from ._store import Store
from ._stream import Call, Stream
from ._waiting import Lines, after_expiry, poll_pause

T = TypeVar("T")

# A timeout waits this long at most until its place in the queue is gone.
LEAVING = 1.0
# A grant by event counts from the last answer before it. Where that is older than this part of the ttl,
# the lease is renewed at once, in the background.
RENEWED = 1 / 10
# And at least this often, for the sake of the statistics.
MEASURED = 1.0


class Queue:
    """Waits for locks."""

    def __init__(
        self,
        session: str,
        store: Store,
        claims: Claims,
        background: Background,
        check_usable: Callable[[], None],
        begin: Callable[[], Awaitable[None]],
    ) -> None:
        self.waiting = 0
        self._store = store
        self._claims = claims
        self._background = background
        self._check_usable = check_usable
        self._begin = begin
        self._lines = Lines()
        self._places: dict[str, Place] = {}
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._in_the_way: dict[str, tuple[Holder, float]] = {}

        def stream() -> Stream:
            return store.grants(session)

        self._feed: Feed[Call] = Feed(stream, self._hear, self._wake, _clock.now)

    @property
    def mode(self) -> str | None:
        """How they hear of their grants."""
        return self._feed.mode

    async def acquire(self, request: Request, timeout: float | None) -> Holding:
        """Wait for the lock."""
        self.waiting += 1
        try:
            async with asyncio.timeout(timeout) as scope:
                await self._begin()
                ticket = await self._lines.enter(request.name)
                try:
                    return await self._head(request)
                finally:
                    self._lines.leave(request.name, ticket)
        except TimeoutError as error:
            if timeout is None or not scope.expired():
                raise
            if leaving := self._leaving.get(request.name):
                await asyncio.wait([leaving], timeout=LEAVING)
            raise self.too_late(request.name, timeout) from error
        finally:
            self.waiting -= 1
            if request.name not in self._lines:
                self._in_the_way.pop(request.name, None)

    def too_late(self, name: str, timeout: float, reply: Reply | None = None) -> LockTimeoutError:
        """The error that names who was in the way, by this reply or the last one."""
        if reply is not None:
            holder = next(iter(reply.holders), None)
            return LockTimeoutError(name, timeout, *((holder.owner, holder.age) if holder else ()))
        if name not in self._in_the_way:
            return LockTimeoutError(name, timeout)
        holder, seen = self._in_the_way[name]
        return LockTimeoutError(name, timeout, holder.owner, holder.age + _clock.now() - seen)

    def see(self, name: str, reply: Reply) -> None:
        """Somebody else may be in the way."""
        if holder := next(iter(reply.holders), None):
            self._in_the_way[name] = holder, _clock.now()

    def standing(self, name: str) -> list[str]:
        """The lease ids under which we stand in the queue of this lock."""
        return [place.id for place in self._places.values() if place.name == name]

    def nudge(self, name: str) -> None:
        """We have released the lock ourselves: no need to poll for that."""
        if self._feed.opened is None:
            for place in self._places.values():
                if place.name == name:
                    place.began = _clock.now()
                    place.news.set()

    async def aclose(self) -> None:
        """Nobody waits any more, and nobody stands in a queue."""
        for place in list(self._places.values()):
            place.end("closed")
        while self.waiting:
            await self._background.drain()
            await asyncio.sleep(0)
        await self._feed.aclose()

    async def _head(self, request: Request) -> Holding:
        while True:
            self._check_usable()
            place = Place(request.name, self._claims.new_id())
            self._places[place.id] = place
            holding: Holding | None = None
            tasks: list[asyncio.Task[Any]] = []
            try:
                holding = await self._stand(request, place, tasks)
            finally:
                del self._places[place.id]
                if holding is None and tasks:
                    self._leave(place, tasks[-1])
            if holding is not None:
                return holding

    async def _stand(self, request: Request, place: Place, tasks: list[asyncio.Task[Any]]) -> Holding | None:
        """Queue up, and wait; None: the place is lost, or the repository is closed."""
        sent = _clock.now()
        holding, reply = await self._do(tasks, self._claims.claim(request, place.id, wait=True))
        if holding is not None or reply.place is None:
            return holding
        with self._kept(place), self._feed.wanted():
            while not place.gone:
                place.heard(sent, reply)
                self.see(place.name, reply)
                await self._news(place)
                if place.gone:
                    break
                # With more capacity, an event's token may be that of one who was granted along with us.
                grant = place.granted(request.ttl) if request.capacity == 1 else None
                if grant is not None:
                    self._claims.keep_alive.discard(place)
                    return self._believe(request, place, *grant)
                place.call = None
                sent = _clock.now()
                holding, answer = await self._do(tasks, self._claims.ask(request, place.id))
                if holding is not None or answer is None or answer.place is None:
                    return holding
                reply = answer
        return None

    async def _news(self, place: Place) -> None:
        """Return when there is a reason to ask."""
        while not place.gone and place.call is None:
            place.news.clear()
            now = _clock.now()
            opened = self._feed.opened
            # What was granted between our question and the opening of the stream, no event reports.
            if now >= place.due or (opened is not None and place.asked < opened):
                return
            pause = place.due - now
            if opened is None:
                pause = min(pause, poll_pause(now - place.began, place.number))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await place.news.wait()
            if opened is None and self._feed.opened is None and await self._changed(place):
                return

    async def _changed(self, place: Place) -> bool:
        """Whether a look shows that a question is worth its write."""
        look = self._background.spawn(self._store.look(place.name, place.id))
        await asyncio.wait([look])
        reply = look.result()
        if reply is None or reply.place is None:
            return True
        place.number = reply.place
        if reply.next_expiry is not None:
            place.due = _clock.now() + after_expiry(reply.next_expiry, reply.place)
        return False

    def _believe(self, request: Request, place: Place, token: int, confirmed: float) -> Holding:
        now = _clock.now()
        holding = self._claims.hold(request, place.id, Grant(token, request.ttl), confirmed)
        if now - confirmed > request.ttl * RENEWED or now - self._claims.handed_at > MEASURED:
            self._claims.handed_at = now
            self._background.spawn(self._claims.renew(holding, first=True), detached=True)
        return holding

    @contextlib.contextmanager
    def _kept(self, place: Place) -> Iterator[None]:
        self._claims.keep_alive.add(place)
        try:
            yield
        finally:
            self._claims.keep_alive.discard(place)

    async def _do(self, tasks: list[asyncio.Task[Any]], work: Coroutine[Any, Any, T]) -> T:
        """To its end, whatever becomes of the caller."""
        task = self._background.spawn(work)
        tasks.append(task)
        await asyncio.wait([task])
        return task.result()

    def _leave(self, place: Place, last: asyncio.Task[Any]) -> None:
        task = self._background.spawn(self._left(place, last), detached=True)
        self._leaving[place.name] = task

        def done(task: asyncio.Task[None]) -> None:
            if self._leaving.get(place.name) is task:
                del self._leaving[place.name]

        task.add_done_callback(done)

    async def _left(self, place: Place, last: asyncio.Task[Any]) -> None:
        await asyncio.wait([last])
        if not last.cancelled() and last.exception() is None and (holding := last.result()[0]):
            holding.end(RELEASED)
        reply = await self._claims.forget(place.name, place.id)
        if reply is not None and reply.grant is None and place.name in self._in_the_way:
            self.see(place.name, reply)

    def _hear(self, call: Call) -> None:
        if place := self._places.get(call.lease):
            place.call = call
            place.news.set()

    def _wake(self) -> None:
        for place in self._places.values():
            place.news.set()
