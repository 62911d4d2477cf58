"""What waiting costs the database: mongod's CPU beside inserts that have nothing to do with locks."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient, MongoClient

from mongolock_async import LockRepository

from ._contenders import NAME, missing
from ._figures import Figure

PROCESSES = 5
INSERTS = 300
SECONDS = 10.0
TTL = 600


async def load(uri: str, pid: int) -> AsyncIterator[Figure]:
    """Nobody, 10 and 100 members wait, for one lock and for a lock each."""
    kinds = ["pymongo", "motor", *([] if missing("mongoelector") else ["mongoelector"])]
    async with AsyncMongoClient[dict[str, Any]](uri) as client, _held(uri):
        alone = await _measured(client, pid)
        yield Figure(f"nobody waits, {INSERTS} inserts/s", "mongod", alone * 100, "% of a core", 1.0)
        for kind in kinds:
            for members in (10, 100):
                for locks in ("one", "each"):
                    async with _waiters(kind, uri, members, locks):
                        cpu = await _measured(client, pid)
                    part = f"{members} members wait, {'one lock' if locks == 'one' else 'a lock each'}"
                    yield Figure(part, kind, cpu * 100, "% of a core", cpu / alone)


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _measured(client: AsyncMongoClient[dict[str, Any]], pid: int) -> float:
    """The CPU of mongod, in cores, while something else inserts."""
    began, used = time.monotonic(), cpu_of(pid)
    number = 0
    while (passed := time.monotonic() - began) < SECONDS:
        if number < passed * INSERTS:
            await client[NAME].unrelated.insert_one({"number": number})
            number += 1
        else:
            await asyncio.sleep(0.001)
    return (cpu_of(pid) - used) / (time.monotonic() - began)


@asynccontextmanager
async def _held(uri: str) -> AsyncIterator[None]:
    """Somebody holds all that is waited for, ours and mongoelector's."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(AsyncMongoClient[dict[str, Any]](uri))
        locks = await stack.enter_async_context(LockRepository(client[NAME].waited, ttl=TTL))
        for number in range(100):
            await locks.obtain(f"held-{number}")
        if not missing("mongoelector"):
            blocking = stack.enter_context(MongoClient[dict[str, Any]](uri))
            await asyncio.to_thread(_hold_for_mongoelector, blocking)
        yield


def _hold_for_mongoelector(client: MongoClient[dict[str, Any]]) -> None:
    from mongoelector import MongoLocker  # noqa: PLC0415 - only where it is compared

    for number in range(100):
        MongoLocker(f"held-{number}", client[NAME], ttl=TTL).acquire()


@asynccontextmanager
async def _waiters(kind: str, uri: str, members: int, locks: str) -> AsyncIterator[None]:
    """So many, in a few processes."""
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-m", "benchmarks._waiters", kind, uri, str(members // PROCESSES), locks]
    processes = [
        await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe) for _ in range(PROCESSES)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            if not await process.stdout.readline():
                raise RuntimeError("a process of the benchmark has ended; its error stands above")
        await asyncio.sleep(1)
        yield
    finally:
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()
        await asyncio.gather(*(process.wait() for process in processes))
