"""Locks whose holders stay inside for a while, and do nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Sequence

from mongolock_async import Lease, Lock, LockTimeoutError
from mongolock_async._protocol.request import Request

from .facts import Role
from .work import CAPACITY, PATIENCE, TTL, Work


async def blocks(work: Work, name: str) -> None:
    """``async with``, kept alive, now and then for longer than the ttl."""
    while not work.stop.is_set():
        async with work.round(), work.waited(name, work.locks.lock(name, timeout=PATIENCE)) as lease:
            await work.section(name, lease, work.now_and_then_long())
        await asyncio.sleep(random.uniform(0, 0.05))


async def tries(work: Work, name: str) -> None:
    """``obtain``, and a section if it is granted."""
    while not work.stop.is_set():
        async with work.round():
            lease = await work.locks.obtain(name, keep_alive=True)
            if lease is not None:
                await work.section(name, lease, work.some())
                await lease.release()
        await asyncio.sleep(random.uniform(work.rest / 10, work.rest))


async def semaphore(work: Work, name: str) -> None:
    """Several inside at a time, of different weights."""
    work.recorder.note("capacity", lock=name, capacity=CAPACITY)
    while not work.stop.is_set():
        weight = random.randint(1, CAPACITY - 1)
        request = Request(
            name, "semaphore", TTL, keep_alive=True, weight=weight, capacity=CAPACITY, kind="semaphore"
        )
        held = bare(_acquired(work, request))
        async with work.round(), work.waited(name, held) as lease:
            await work.section(name, lease, work.some(), weight)
        await asyncio.sleep(random.uniform(0, 0.1))


async def readers(work: Work, name: str) -> None:
    """A reader-writer lock: of ten who come, eight read, one writes, and one is upgraded."""
    cfg = work.locks.rwlock(name, timeout=PATIENCE)
    ways: dict[Role, Lock] = {"reader": cfg.read(), "upgradable": cfg.upgradable(), "writer": cfg.write()}
    while not work.stop.is_set():
        (role,) = random.choices(list(ways), [8, 1, 1])
        async with work.round(), work.waited(name, ways[role]) as lease:
            await work.section(name, lease, work.some(), role=role)
            if role == "upgradable":
                await _upgraded(work, name, lease)
        await asyncio.sleep(random.uniform(0, 0.1))


async def _upgraded(work: Work, name: str, lease: Lease) -> None:
    """Now and then it gives up, and upgrades again; and is a reader in the end."""
    for timeout in random.sample([0.01, 0.1, PATIENCE], random.randint(1, 3)):
        try:
            with work.wait(name):
                await lease.upgrade(timeout)
        except LockTimeoutError:
            work.recorder.note("upgrade given up")
            continue
        work.recorder.note("upgraded")
        await work.section(name, lease, work.some(), role="writer")
        await lease.downgrade()
        await work.section(name, lease, work.some(), role="upgradable")


async def several(work: Work, names: Sequence[str]) -> None:
    """``lock_all`` of some of the names, in any order; of four rounds, one does not wait."""
    while not work.stop.is_set():
        some = random.sample(names, random.randint(2, len(names)))
        both = work.locks.lock_all(*some, timeout=PATIENCE)
        async with work.round():
            if random.random() < 0.25:
                if (leases := await both.obtain(keep_alive=True)) is not None:
                    await _together(work, leases)
                    await asyncio.gather(*(lease.release() for lease in leases))
            else:
                with contextlib.ExitStack() as waits:
                    waits.enter_context(work.wait(" and ".join(both.names)))
                    async with both as leases:
                        waits.close()
                        work.granted(*leases)
                        await _together(work, leases)
        await asyncio.sleep(random.uniform(0, 0.1))


async def _together(work: Work, leases: Sequence[Lease]) -> None:
    hold = work.now_and_then_long()
    await asyncio.gather(*(work.section(lease.name, lease, hold) for lease in leases))


@contextlib.asynccontextmanager
async def bare(acquiring: Awaitable[Lease]) -> AsyncIterator[Lease]:
    """A lease that no block keeps alive, nor looks after."""
    lease = await acquiring
    try:
        yield lease
    finally:
        await lease.release()


async def _acquired(work: Work, request: Request) -> Lease:
    member = work.locks._member
    return Lease(member, await member.acquire(request, PATIENCE))
