"""Locks in memory on a way that loses commands and answers, or takes its time. Counts what is sent."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, cast

from mongolock_async import LockBackendError
from mongolock_async._engine.backend import Call
from mongolock_async._memory.backend import MemoryBackend
from mongolock_async._memory.ear import MemoryEar
from mongolock_async.testing import MemoryLocks


@dataclass
class Fault:
    """What becomes of the next commands of a kind.

    ``delay``: seconds that it takes longer. ``error``: what it raises after that. ``answer``: it is the
    answer that is delayed or lost, and the command was carried out. ``times``: how many commands are hit.

    Besides the commands there is ``call``: a call that is late, or lost (with an ``error``).
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


def lost_call(*, times: int = 1) -> Fault:
    """The next calls are not heard."""
    return Fault("call", error=LockBackendError("call", None, "Lost"), times=times)


class FaultyLocks(MemoryLocks):
    """``faults`` happen to the next commands of their kind.

    ``sent`` counts the commands by their kind, and ``times`` has the moments at which they were sent.
    While it is ``deaf``, no call is heard, and everybody knows so.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.faults: list[Fault] = []
        self.sent: Counter[str] = Counter()
        self.times: defaultdict[str, list[float]] = defaultdict(list)
        self.missed = 0
        self.is_deaf = False
        self._changed: list[Callable[[], None]] = []
        self._answers = asyncio.Event()
        self._answers.set()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """What is sent during the block arrives after it."""
        self._answers.clear()
        try:
            yield
        finally:
            self._answers.set()

    def deafen(self, deaf: bool) -> None:  # noqa: FBT001 - it reads as what it says
        """From now on calls are heard by nobody, or again by all."""
        self.is_deaf = deaf
        for changed in self._changed:
            changed()

    def joined(self, changed: Callable[[], None]) -> None:
        """A member has ears."""
        self._changed.append(changed)

    def backend(self) -> MemoryBackend:
        """What a repository sends its commands to."""
        return cast("MemoryBackend", _Way(super().backend(), self))

    async def happen(self, action: str, *, answer: bool) -> None:
        """Whatever is to happen to this command, or to its answer."""
        if not answer and action != "call":
            await self._answers.wait()
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
        if not inspect.iscoroutinefunction(method) or action == "aclose":  # which sends nothing
            return method

        async def send(*arguments: Any, **options: Any) -> Any:
            self._locks.sent[action] += 1
            self._locks.times[action].append(asyncio.get_running_loop().time())
            await self._locks.happen(action, answer=False)
            result = await method(*arguments, **options)
            await self._locks.happen(action, answer=True)
            return result

        return send

    def ear(self, member: str, hear: Callable[[Call], None], changed: Callable[[], None]) -> Any:
        self._locks.joined(changed)
        return _Ear(self._backend, member, hear, self._locks)


class _Ear:
    """An ear, and what becomes of the calls on their way to it."""

    def __init__(
        self, backend: MemoryBackend, member: str, hear: Callable[[Call], None], locks: FaultyLocks
    ) -> None:
        self._ear: MemoryEar = backend.ear(member, self._carry, lambda: None)
        self._hear = hear
        self._locks = locks
        self._calls: set[asyncio.Task[None]] = set()

    @property
    def deaf(self) -> bool:
        return self._locks.is_deaf

    @property
    def mode(self) -> str | None:
        return "polling" if self._ear.mode and self.deaf else self._ear.mode

    def wanted(self) -> AbstractContextManager[None]:
        return self._ear.wanted()

    def missed(self) -> None:
        self._locks.missed += 1

    async def aclose(self) -> None:
        await self._ear.aclose()

    def _carry(self, call: Call) -> None:
        if self.deaf:
            return
        if not any(fault.action == "call" and fault.times for fault in self._locks.faults):
            self._hear(call)
            return
        task = asyncio.get_running_loop().create_task(self._late(call))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _late(self, call: Call) -> None:
        try:
            await self._locks.happen("call", answer=False)
        except LockBackendError:
            return
        self._hear(call)
