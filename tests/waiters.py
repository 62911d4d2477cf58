"""Those who wait, and what can be seen of them. For the rooms that have virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from faulty import Fault, FaultyLocks
from virtual import settle

from mongolock_async import Lease, LockInfo, LockRepository
from mongolock_async._memory.backend import MemoryBackend
from mongolock_async._protocol.request import Request
from mongolock_async._settings import Owner

# The server counts whole milliseconds, and a command may meet it at any moment within one.
MS = 0.0011


def now() -> float:
    """Seconds since the test began."""
    return asyncio.get_running_loop().time()


def about(seconds: float) -> Any:
    """This duration or moment, as far as the server's clock can tell."""
    return pytest.approx(seconds, abs=MS)


def waiting(locks: LockRepository, owner: Owner | None = None, **options: Any) -> asyncio.Task[Lease]:
    """One who waits for the lock "cron"; whoever makes it need not care for its end."""
    task = asyncio.create_task(locks.acquire("cron", owner, **options))
    task.add_done_callback(lambda task: task.cancelled() or task.exception())
    return task


async def look(locks: LockRepository, name: str = "cron") -> LockInfo:
    """What a lock looks like."""
    info = await locks.get(name)
    assert info is not None
    return info


async def queue(locks: LockRepository) -> list[Owner]:
    """Who stands in the queue of "cron"."""
    return [waiter.owner for waiter in (await look(locks)).queue]


async def is_free(locks: LockRepository, name: str = "cron") -> bool:
    """Whether nobody holds it, and nobody waits for it."""
    info = await look(locks, name)
    return not info.held and not info.queue


def rests(locks: LockRepository) -> bool:
    """Whether this process holds nothing, waits for nothing, and has forgotten all that it waited for."""
    member = locks._member
    waiting, leases = member.waiting, member.leases
    left = (
        waiting.others._watched,
        waiting.count,
        waiting._places,
        waiting._lines._lines,
        waiting.others._seen,
    )
    return not any((*left, leases.held, leases.keep_alive._kept, len(member.background)))


async def listens(locks: LockRepository) -> None:
    """Have it listen already, as one does that has waited of late."""
    held = await locks.acquire("warm")
    waiter = asyncio.create_task(locks.acquire("warm"))
    await settle()
    waiter.cancel()
    await held.release()
    await settle()


async def stand(backend: MemoryBackend, lease: str, *, ttl: float = 30) -> None:
    """Claim "cron" as a process that dies while it waits: nobody refreshes its place, or hears its call."""
    await backend.claim(Request("cron", lease, ttl), lease, first=min(ttl, 10))


@dataclass
class Pair:
    """Two processes, the first of which holds "cron"."""

    memory: FaultyLocks
    here: LockRepository
    there: LockRepository

    def slow(self, action: str, delay: float, *, answer: bool = False) -> None:
        """The next such command, or its answer, takes so long."""
        self.memory.faults.append(Fault(action, delay=delay, answer=answer))


@asynccontextmanager
async def pair(*, hears: bool = True) -> AsyncIterator[Pair]:
    """They begin anew, as often as a test likes; the second one is at rest in the end."""
    memory = FaultyLocks()
    if not hears:
        memory.deafen(deaf=True)
    async with LockRepository(memory, ttl=60) as here, LockRepository(memory) as there:
        await there.create("cron")
        yield Pair(memory, here, there)
        assert rests(there)


async def turns(count: int) -> None:
    """Let the loop go round so often."""
    for _ in range(count):
        await asyncio.sleep(0)
