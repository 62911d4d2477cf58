"""What one process costs: taking and freeing, waiting, renewing."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from pymongo import WriteConcern
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from mongolock_async import LockRepository

from ._contenders import NAME, connect, disconnect
from ._figures import Figure, median, milliseconds
from ._processes import workers

WARM_UP = 50
WAIT_SECONDS = 10
LEASES = 1000
TTL = 6
PERIODS = 3
OWN = {"hello", "isMaster", "ismaster", "ping", "endSessions", "getMore"}


class Commands(CommandListener):
    """Counts what a client sends, the driver's own and the stream's getMore aside."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def started(self, event: CommandStartedEvent) -> None:
        """Count it."""
        if event.command_name not in OWN:
            self.counts[event.command_name] += 1

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing to do."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing to do."""


async def overhead(label: str, driver: str, uri: str, rounds: int) -> list[Figure]:
    """Obtain and release against two bare findAndModify, which take turns."""
    client = connect(driver, uri)
    database = client[NAME]
    bare_collection = database.get_collection("bare", write_concern=WriteConcern("majority"))
    async with LockRepository(database["locks"]) as locks:

        async def bare() -> None:
            for held in (True, False):
                await bare_collection.find_one_and_update(
                    {"_id": "a"}, {"$set": {"held": held, "at": time.time()}}, upsert=True
                )

        async def ours() -> None:
            lease = await locks.obtain("a")
            assert lease is not None
            await lease.release()

        times: dict[Callable[[], Awaitable[None]], list[int]] = {bare: [], ours: []}
        for number in range(rounds + WARM_UP):
            for work, taken in times.items():
                began = time.perf_counter_ns()
                await work()
                if number >= WARM_UP:
                    taken.append(time.perf_counter_ns() - began)
    await disconnect(client)
    floor, own = (median(milliseconds(taken)) for taken in times.values())
    part = f"take and free, {label}"
    return [
        Figure(part, f"two bare writes ({driver})", floor, "ms", 1.0),
        Figure(part, driver, own, "ms", own / floor),
    ]


async def cycles(label: str, kinds: dict[str, str], rounds: int) -> list[Figure]:
    """Take and free a lock that nobody else wants; the contenders take turns."""
    times: dict[str, list[int]] = {kind: [] for kind in kinds}
    async with AsyncExitStack() as stack:
        contenders = {
            kind: (await stack.enter_async_context(workers(1, kind, uri)))[0] for kind, uri in kinds.items()
        }
        for number in range(rounds + WARM_UP):
            for kind, worker in contenders.items():
                taken = await worker.do("cycle")
                if number >= WARM_UP:
                    times[kind].append(taken)
    return [Figure(label, kind, median(milliseconds(taken)), "ms") for kind, taken in times.items()]


async def waiting(driver: str, uri: str, tasks: int) -> Figure:
    """So many tasks of one process wait for one lock."""
    commands = Commands()
    client, holder = connect(driver, uri, event_listeners=[commands]), connect(driver, uri)
    name = f"{tasks}-{driver}"
    async with LockRepository(holder[NAME].locks) as there, LockRepository(client[NAME].locks) as here:
        await there.obtain(name, ttl=60)
        await here.create("warm")
        commands.counts.clear()
        stop = asyncio.Event()
        stall = asyncio.create_task(_longest_stall(stop))
        waiters = [asyncio.create_task(here.acquire(name)) for _ in range(tasks)]
        await asyncio.sleep(WAIT_SECONDS)
        sent = commands.counts.total()
        began = time.perf_counter()
        for waiter in waiters:
            waiter.cancel()
        # To wait for the tasks would be as many callbacks of our own.
        while here.stats().waiting:
            await asyncio.sleep(0)
        gone = time.perf_counter() - began
        stop.set()
        stalled = await stall
    async with LockRepository(holder[NAME].locks) as there:
        info = await there.get(name)
    await disconnect(client)
    await disconnect(holder)
    left = len(info.queue) if info else 0
    note = (
        f"{sent} commands in {WAIT_SECONDS} s, longest stall {stalled * 1000:.0f} ms, "
        f"cancelled in {gone:.2f} s, {left} left in the queue"
    )
    return Figure(f"{tasks} tasks wait", driver, sent / WAIT_SECONDS, "commands/s", None, note)


async def _longest_stall(stop: asyncio.Event) -> float:
    longest = 0.0
    while not stop.is_set():
        began = time.perf_counter()
        await asyncio.sleep(0.005)
        longest = max(longest, time.perf_counter() - began - 0.005)
    return longest


async def renewal(driver: str, uri: str) -> Figure:
    """Keep many leases for some periods of their renewal."""
    commands = Commands()
    client = connect(driver, uri, event_listeners=[commands])
    async with LockRepository(client[NAME].locks) as locks:
        leases = [await locks.obtain(f"{driver}-{n}", ttl=TTL, keep_alive=True) for n in range(LEASES)]
        await asyncio.sleep(TTL / 3)
        commands.counts.clear()
        await asyncio.sleep(PERIODS * TTL / 3)
        sent = commands.counts.total()
        kept = sum(lease is not None and lease.held for lease in leases)
    await disconnect(client)
    note = f"{sent} commands in {PERIODS} periods, {kept} of {LEASES} kept"
    return Figure(f"{LEASES} leases renewed", driver, sent / PERIODS, "commands/period", None, note)
