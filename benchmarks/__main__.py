"""``python -m benchmarks``: starts its own servers, and prints one table.

Each figure is the median over all pairs; the bare commands and ours take turns, so that what else
the machine does falls on both.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient, WriteConcern

from mongolock_async import LockRepository
from mongolock_async.testing import Mongod, ReplicaSet

WARM_UP = 50


async def main() -> None:
    """Overhead of obtain and release against two bare commands, for both drivers and topologies."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000, help="pairs of each kind (default: 1000)")
    rounds = parser.parse_args().rounds
    print(f"{'server':<12}{'driver':<10}{'bare ms':>10}{'ours ms':>10}{'ratio':>8}")
    servers = {"standalone": Mongod(), "three nodes": ReplicaSet(3)}
    for label, server in servers.items():
        async with server:
            for driver in ("pymongo", "motor"):
                bare, ours = await overhead(connect(driver, server.uri), rounds)
                print(f"{label:<12}{driver:<10}{bare:>10.3f}{ours:>10.3f}{ours / bare:>8.2f}")


def connect(driver: str, uri: str) -> Any:  # noqa: ANN401 - the client of either driver
    """A client that waits for a majority, as our claims do."""
    if driver == "motor":
        motor: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(uri, w="majority")
        return motor
    return AsyncMongoClient[dict[str, Any]](uri, w="majority")


async def overhead(client: Any, rounds: int) -> tuple[float, float]:  # noqa: ANN401 - the client of either driver
    """Milliseconds for two bare findAndModify, and for obtain and release."""
    database = client["benchmark"]
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

        times: dict[Callable[[], Awaitable[None]], list[float]] = {bare: [], ours: []}
        for number in range(rounds + WARM_UP):
            for work, taken in times.items():
                began = time.perf_counter()
                await work()
                if number >= WARM_UP:
                    taken.append((time.perf_counter() - began) * 1000)
    await client.drop_database("benchmark")
    closing = client.close()
    if closing is not None:
        await closing
    return statistics.median(times[bare]), statistics.median(times[ours])


if __name__ == "__main__":
    asyncio.run(main())
