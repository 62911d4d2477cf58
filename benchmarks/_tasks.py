"""Many tasks of one process: on locks of their own, and on one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from pymongo import WriteConcern

from mongolock_async import LockRepository

from ._contenders import NAME, connect, disconnect
from ._figures import Figure, median
from ._load import cpu_of

TASKS = 32
SECONDS = 3.0
ROUNDS = 2
FLOORS = 100

Work = Callable[[int], Awaitable[None]]


async def tasks(label: str, driver: str, uri: str, pid: int) -> list[Figure]:
    """Pairs of take and free on names of their own, beside two bare writes; and turns on one name."""
    client = connect(driver, uri)
    database = client[f"{NAME}_tasks"]
    majority = database.get_collection("bare", write_concern=WriteConcern("majority"))
    one = database.get_collection("bare", write_concern=WriteConcern(1))

    async def bare(number: int) -> None:
        await majority.find_one_and_update({"_id": number}, {"$set": {"held": time.time()}}, upsert=True)
        await one.find_one_and_update({"_id": number}, {"$set": {"held": None}})

    async with LockRepository(database.locks) as locks:
        await locks.create("warm")

        async def ours(number: int) -> None:
            async with locks.lock(f"name-{number}"):
                pass

        async def turn(_: int) -> None:
            async with locks.lock("one"):
                pass

        figures = await _pairs(label, driver, {"bare": bare, "ours": ours}, pid)
        floor = await _floor(client, majority)
        for count in (1, 2, 256):
            rate = await _rate(turn, count)
            note = f"floor {floor * 1000:.3g} ms"
            figures.append(
                Figure(f"turns of {count} tasks, {label}", driver, rate, "1/s", rate * floor, note)
            )
    await client.drop_database(database.name)
    await disconnect(client)
    return figures


async def _pairs(label: str, driver: str, works: dict[str, Work], pid: int) -> list[Figure]:
    """They take turns; the CPU of a pair, in the client and in mongod."""
    done = dict.fromkeys(works, 0.0)
    client_cpu = dict.fromkeys(works, 0.0)
    server_cpu = dict.fromkeys(works, 0.0)
    for _ in range(ROUNDS):
        for who, work in works.items():
            began, used = time.process_time(), cpu_of(pid)
            done[who] += await _rate(work, TASKS) * SECONDS
            client_cpu[who] += time.process_time() - began
            server_cpu[who] += cpu_of(pid) - used
    figures = []
    for who, count in done.items():
        mine, server = client_cpu[who] / count, server_cpu[who] / count
        ratio = count / done["bare"]
        note = (
            f"client {mine * 1e6:.0f} us a pair ({mine / (client_cpu['bare'] / done['bare']):.2f} x), "
            f"mongod {server * 1e6:.0f} us ({server / (server_cpu['bare'] / done['bare']):.2f} x)"
        )
        name = f"{TASKS} tasks, {TASKS} names, {label}"
        rate = count / (ROUNDS * SECONDS)
        figures.append(
            Figure(name, driver if who == "ours" else f"bare ({driver})", rate, "pairs/s", ratio, note)
        )
    return figures


async def _rate(work: Work, count: int) -> float:
    """How often a second, with so many tasks."""
    end, done = time.monotonic() + SECONDS, 0

    async def again(number: int) -> None:
        nonlocal done
        while time.monotonic() < end:
            await work(number)
            done += 1

    began = time.monotonic()
    await asyncio.gather(*(again(number) for number in range(count)))
    return done / (time.monotonic() - began)


async def _floor(client: Any, collection: Any) -> float:  # noqa: ANN401 - of either driver
    """From a bare majority write to its change event, in one process; on a standalone, the write alone."""
    stream = None
    if (await client.admin.command("hello")).get("setName") is not None:
        opened = collection.watch()
        stream = opened if not asyncio.iscoroutine(opened) else await opened
        await stream.__aenter__()
    taken = []
    for number in range(FLOORS):
        began = time.monotonic()
        await collection.update_one({"_id": "floor"}, {"$set": {"number": number}}, upsert=True)
        while stream is not None and await stream.try_next() is None:
            pass
        taken.append(time.monotonic() - began)
    if stream is not None:
        await stream.close()
    return median(taken)
