"""Who was in the way of those who wait."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from mongolock_async._errors import LockBackendError, LockError, LockTimeoutError
from mongolock_async._protocol.kind import Size
from mongolock_async._protocol.reply import Reply

from .backend import Backend
from .background import Background
from .caller import NO_ANSWER, Caller, TimeUp
from .clock import Clock

T = TypeVar("T")

# A lease id that nobody has: its place in a queue would be the last.
NOBODY = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said last of a lock, and when; ``asked``: how much the one that asked wants of it."""

    reply: Reply
    asked: Size | None
    when: float

    def taken_for(self, size: Size) -> bool:
        """Whether there is no room for so much, or for the one that asked, which comes before."""
        return any(self.reply.taken_for(one) for one in (size, self.asked or size))


class Others:
    """Of each lock that is waited for, the last answer."""

    def __init__(self, backend: Backend, background: Background, clock: Clock) -> None:
        self._backend = backend
        self._background = background
        self._clock = clock
        self._looks: dict[str, asyncio.Task[None]] = {}
        self._watched: Counter[str] = Counter()
        self._seen: dict[str, Answer] = {}
        self._crowded: set[str] = set()

    @contextmanager
    def watched(self, name: str) -> Iterator[None]:
        """Somebody waits for it; what was seen is forgotten when nobody does any more."""
        self._watched[name] += 1
        try:
            yield
        finally:
            self._watched[name] -= 1
            if not self._watched[name]:
                del self._watched[name]
                self._seen.pop(name, None)
                self._crowded.discard(name)

    async def in_time(self, caller: Caller, wait: Coroutine[Any, Any, T]) -> T:
        """What the wait is for; or, once its place is out of the queue, the error that says why not."""
        with self.watched(caller.request.name):
            try:
                with suppress(TimeUp):
                    return await wait
                await caller.gone()
                raise await self.too_late(caller)
            except asyncio.CancelledError:
                await caller.gone()
                raise

    def see(self, name: str, reply: Reply | None, asked: Size | None = None) -> None:
        """The server has told who holds it, and who waits; None: it has no document.

        ``asked``: how much is wanted by the one that asked, before all others of this process.
        """
        if name not in self._watched:
            return
        if reply is None:
            self._seen.pop(name, None)
            return
        if reply.alone:
            self._crowded.discard(name)
        else:
            self._crowded.add(name)
        self._seen[name] = Answer(reply, asked, self._clock.now())

    def crowded(self, name: str) -> bool:
        """Whether others waited for it, too, when that was last told."""
        return name in self._crowded

    async def too_late(self, caller: Caller) -> LockError:
        """What to tell one whose time is up: that the lock is taken, if the server has said so since it came.

        Those who stood behind another of this process have asked nothing: one look is for all of them.
        """
        name = caller.request.name
        look = None
        if self._timeout_of(caller) is None and caller.left_of_grace > 0:
            look = self._looks.get(name) or self._background.spawn(self._look(name))
            self._looks[name] = look
            await asyncio.wait([look], timeout=caller.left_of_grace)
        if (late := self._timeout_of(caller)) is not None:
            return late
        failure = look.exception() if look is not None and look.done() and not look.cancelled() else None
        if not isinstance(failure, LockBackendError):
            return LockBackendError("acquire", name, NO_ANSWER)
        return failure.retold("acquire")  # one for each of those who share the look

    def _timeout_of(self, caller: Caller) -> LockTimeoutError | None:
        """None: the server has not said since the caller came that it is taken, or has taken that back."""
        assert caller.timeout is not None
        seen = self._seen.get(caller.request.name)
        if seen is None or seen.when < caller.began or not seen.taken_for(caller.request.size):
            return None
        holders = seen.reply.holders
        in_the_way = (one for one in holders if caller.token is None or one.get("token") != caller.token)
        holder = next(in_the_way, None)
        if holder is None:
            return LockTimeoutError(caller.request.name, caller.timeout)
        age = holder["age_ms"] / 1000 + self._clock.now() - seen.when
        return LockTimeoutError(caller.request.name, caller.timeout, holder["owner"], age)

    async def _look(self, name: str) -> None:
        try:
            self.see(name, await self._backend.look(name, NOBODY))
        finally:
            del self._looks[name]
