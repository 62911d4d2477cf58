"""Locks in memory on a way that loses commands and answers, or takes its time. Counts what is sent."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from mongolock_async import LockBackendError
from mongolock_async._engine.backend import Call, Listener
from mongolock_async._memory.backend import MemoryBackend
from mongolock_async.testing import MemoryLocks


@dataclass
class Fault:
    """What becomes of the next commands of a kind.

    ``delay``: seconds that it takes longer. ``error``: what it raises after that. ``answer``: it is the
    answer that is delayed or lost, and the command was carried out. ``times``: how many commands are hit.

    Besides the commands there are ``listen``, the opening of a listener, ``next``, its next turn, and
    ``call``, a call that it reports.
    """

    action: str
    delay: float = 0.0
    error: Exception | None = None
    answer: bool = False
    times: int = 1


def lost(action: str, *, times: int = 1, delay: float = 0.0) -> Fault:
    """Commands that never arrive."""
    return Fault(action, delay, LockBackendError(action, None, "NetworkTimeout"), times=times)


def unanswered(action: str, *, times: int = 1, delay: float = 0.0) -> Fault:
    """Commands that are carried out, and whose answers are lost."""
    return Fault(action, delay, LockBackendError(action, None, "NetworkTimeout"), answer=True, times=times)


def late_call(delay: float) -> Fault:
    """The next call is heard of late."""
    return Fault("call", delay)


def deaf() -> Fault:
    """Nobody can listen, for as long as this is among the faults."""
    return Fault("listen", error=LockBackendError("watch", None, "OperationFailure", 40573), times=1_000_000)


class FaultyLocks(MemoryLocks):
    """``faults`` happen to the next commands of their kind.

    ``sent`` counts the commands by their kind, and ``times`` has the moments at which they were sent.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.faults: list[Fault] = []
        self.sent: Counter[str] = Counter()
        self.times: defaultdict[str, list[float]] = defaultdict(list)

    def backend(self) -> MemoryBackend:
        """What a repository sends its commands to."""
        return cast("MemoryBackend", _Way(super().backend(), self))

    async def happen(self, action: str, *, answer: bool) -> None:
        """Whatever is to happen to this command, or to its answer."""
        for fault in self.faults:
            if fault.action == action and fault.answer == answer and fault.times:
                fault.times -= 1
                await asyncio.sleep(fault.delay)
                if fault.error is not None:
                    raise fault.error
                return


class _Way:
    """Every command of the backend, on its way there and back."""

    def __init__(self, backend: MemoryBackend, locks: FaultyLocks) -> None:
        self._backend = backend
        self._locks = locks

    def __getattr__(self, action: str) -> Any:
        method = getattr(self._backend, action)
        if not inspect.iscoroutinefunction(method):
            return method

        async def send(*arguments: Any, **options: Any) -> Any:
            self._locks.sent[action] += 1
            self._locks.times[action].append(asyncio.get_running_loop().time())
            await self._locks.happen(action, answer=False)
            result = await method(*arguments, **options)
            await self._locks.happen(action, answer=True)
            return result

        return send

    @asynccontextmanager
    async def listen(self, member: str) -> AsyncIterator[Listener]:
        await self._locks.happen("listen", answer=False)
        async with self._backend.listen(member) as listener:
            yield _Ear(listener, self._locks)


class _Ear:
    """A listener, and what becomes of the calls on their way to it."""

    def __init__(self, listener: Listener, locks: FaultyLocks) -> None:
        self._listener = listener
        self._locks = locks

    async def next(self) -> Sequence[Call]:
        await self._locks.happen("next", answer=False)
        if calls := await self._listener.next():
            await self._locks.happen("call", answer=False)
        return calls
