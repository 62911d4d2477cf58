"""Holders that lose their server, or their time."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from support import connected, until

from mongolock_async import Lease, LeaseLostError, LockRepository
from mongolock_async.testing import Mongod, ReplicaSet

ROOT = Path(__file__).parents[2]
HOLDER = """
import asyncio, json, os, sys, time
from pymongo import AsyncMongoClient
from mongolock_async import LockError, LockRepository

async def main():
    client = AsyncMongoClient(sys.argv[1])
    database = client.get_default_database()
    locks = LockRepository(database.locks)
    lease = await locks.acquire("cron", ttl=1.5, keep_alive=True)
    fenced = lease.fenced(database.accounts)
    async with client.start_session() as session, await session.start_transaction():
        await database.accounts.update_one({"_id": 2}, {"$inc": {"n": 1}}, session=session)
        print("held", flush=True)
        # Stopped while it waits here: the next thing that it knows is the input.
        line = sys.stdin.readline()
        held = lease.held
        try:
            await lease.verify(session)
            verified = "yes"
        except Exception as error:
            verified = type(error).__name__
            await session.abort_transaction()
    try:
        await fenced.update_one({"_id": 1}, {"$set": {"by": "late"}})
        wrote = "yes"
    except LockError as error:
        wrote = type(error).__name__
    released = await lease.release()
    print(json.dumps([held, verified, wrote, released]), flush=True)
    await locks.aclose()
    await client.close()

asyncio.run(main())
"""


def client_of(driver: str, uri: str) -> Any:
    if driver == "motor":
        motor: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(uri)
        return motor
    return AsyncMongoClient[dict[str, Any]](uri)


async def closed(client: Any) -> None:
    closing = client.close()
    if closing is not None:
        await closing


@pytest.mark.long
async def test_a_silent_server_ends_the_block_in_time(driver: str) -> None:
    async with Mongod() as server:
        client = client_of(driver, server.uri)
        locks = LockRepository(client.a.locks, command_timeout=2)
        cancelled = 0.0
        with pytest.raises(LeaseLostError, match="expired unrenewed"):
            async with locks.lock("cron", ttl=3):
                await asyncio.sleep(1.2)  # a renewal or so
                server.node.stop()
                silent = time.monotonic()
                try:
                    await asyncio.sleep(60)
                finally:
                    cancelled = time.monotonic()
        left = time.monotonic()
        print(f"cancelled {cancelled - silent:.2f} s after the silence, left {left - cancelled:.3f} s later")
        # The last renewal was sent before the silence. The lease's end is exact in virtual time, elsewhere.
        assert cancelled - silent < 5
        assert left - cancelled < 5
        server.node.resume()
        await locks.aclose()
        await closed(client)


@pytest.mark.long
async def test_a_holder_that_was_stopped_can_do_no_harm(replica_set: ReplicaSet) -> None:
    uri = replica_set.uri.replace("/?", "/stopped_holder?")
    client = client_of("pymongo", uri)
    database = client.get_default_database()
    await client.drop_database("stopped_holder")
    await database.accounts.insert_many([{"_id": 1}, {"_id": 2, "n": 0}])
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, uri],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        holder.send_signal(signal.SIGSTOP)
        locks = LockRepository(database.locks)
        info = await locks.get("cron")
        assert info is not None
        expires = time.monotonic() + info.holders[0].remaining
        successor = await locks.acquire("cron", keep_alive=True)
        late = time.monotonic() - expires
        await successor.fenced(database.accounts).update_one({"_id": 1}, {"$set": {"by": "successor"}})
        await asyncio.sleep(max(0.0, expires + 1.5 - time.monotonic()))
        holder.send_signal(signal.SIGCONT)
        holder.stdin.write("\n")
        holder.stdin.close()
        answer = json.loads(holder.stdout.readline())
        print(f"successor {late * 1000:.0f} ms after the expiry; the late holder: {answer}")
        assert answer == [False, "LeaseLostError", "StaleTokenError", False]
        assert (await database.accounts.find_one({"_id": 1}))["by"] == "successor"
        assert (await database.accounts.find_one({"_id": 2}))["n"] == 0
        await locks.aclose()
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
        await client.drop_database("stopped_holder")
        await closed(client)


@pytest.mark.long
@pytest.mark.timeout(180)
async def test_no_kept_lease_is_lost_in_a_failover() -> None:
    """The primary steps down, is killed, and is stopped, under 100 leases of either driver."""
    async with ReplicaSet(3) as servers, AsyncExitStack() as stack:
        members, leases = [], []
        for driver in ("pymongo", "motor"):
            client = await stack.enter_async_context(connected(driver, servers.uri))
            locks = await stack.enter_async_context(LockRepository(client.a.locks, ttl=30))
            leases += [await locks.acquire(f"{driver} {number}", keep_alive=True) for number in range(100)]
            members.append(locks)

        async def all_are_renewed() -> None:
            await asyncio.gather(*(_renews(locks, 100) for locks in members))
            await servers.secondaries()

        await servers.step_down(5)
        await all_are_renewed()
        killed = await servers.primary()
        await killed.kill()
        await all_are_renewed()
        await killed.restart()
        await servers.secondaries()
        stopped = await servers.primary()
        stopped.stop()
        await asyncio.gather(*(_renews(locks, 100) for locks in members))
        stopped.resume()
        print(f"losses: {[locks.stats().losses for locks in members]}")
        assert all(lease.held for lease in leases)
        assert [await lease.renew() for lease in leases] == [True] * 200


async def _renews(locks: LockRepository, count: int) -> None:
    """Wait until it has renewed so many more."""
    enough = locks.stats().renewals + count

    async def renewed() -> bool:
        return locks.stats().renewals >= enough

    await until(renewed, within=60)


@pytest.mark.long
@pytest.mark.timeout(120)
async def test_1000_cancellations_at_random_moments_leave_nothing_behind(
    replica_set: ReplicaSet, driver: str
) -> None:
    client = client_of(driver, replica_set.uri)
    trouble: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: trouble.append(context))
    locks = LockRepository(client.cancellations.locks)
    others = LockRepository(client.cancellations.locks)
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)

    async def block(name: str) -> None:
        async with locks.lock(name):
            await asyncio.sleep(0.003)

    async def bare(name: str) -> None:
        lease = await locks.acquire(name)
        await lease.renew()
        await lease.release()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(20):
            kinds: list[Callable[[str], Coroutine[Any, Any, Lease | None]]] = [block, bare, locks.obtain]
            works = [chance.choice(kinds)(f"n{chance.randrange(20)}") for _ in range(50)]
            tasks = [asyncio.ensure_future(work) for work in works]
            for task in tasks:
                await asyncio.sleep(chance.random() / 1000)
                task.cancel()
            await asyncio.wait(tasks)
            for task in tasks:
                # One that finished first holds its lease by right.
                if not task.cancelled() and (lease := task.result()) is not None:
                    await lease.release()
        await locks.aclose()
    assert not locks._member.background
    left = [info async for info in others.list() if info.held or info.queue]
    assert left == []
    assert trouble == []
    await others.aclose()
    await client.drop_database("cancellations")
    await closed(client)


@pytest.mark.long
async def test_a_grant_of_a_standalone_server_outlives_its_crash() -> None:
    """Without a majority to ask, "majority" waits for the journal."""
    async with Mongod() as server:
        client = client_of("pymongo", server.uri)
        locks = LockRepository(client.a.locks)
        for number in range(3):
            await locks.obtain(f"n{number}", ttl=60)
            await server.node.kill()
            await server.node.restart()
            info = await locks.get(f"n{number}")
            assert info is not None
            assert info.held
        await locks.aclose()
        await closed(client)


async def test_a_forked_child_holds_nothing(standalone: Mongod) -> None:
    async with AsyncMongoClient[dict[str, Any]](standalone.uri) as client:
        async with LockRepository(client.forks.locks) as locks:
            lease = await locks.acquire("cron")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # PyMongo's and Python's own, of forking with threads
                pid = os.fork()
            if pid == 0:
                os._exit(17 if not lease.held and lease.remaining == 0 else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 17
            assert lease.held
        await client.drop_database("forks")
