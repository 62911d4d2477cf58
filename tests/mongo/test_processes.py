"""Processes that fork, and that end without a word."""

from __future__ import annotations

import subprocess
import sys

from mongolock_async.testing import Mongod

FORGETFUL = """
import asyncio, sys
from pymongo import AsyncMongoClient
from mongolock_async import LockRepository

async def main():
    client = AsyncMongoClient(sys.argv[1])
    locks = LockRepository(client.forgetful.locks)
    lease = await locks.acquire("cron", keep_alive=True)
    await client.close()

asyncio.run(main())
"""

FORKING = """
import asyncio, os, sys
from pymongo import AsyncMongoClient
from mongolock_async import LockError, LockRepository

async def use(locks, lease):
    print("held" if lease.held else "not held", lease.remaining > 0)
    for work in (
        locks.obtain("a"), locks.acquire("a"), locks.get("a"), locks.create("a"), locks.force_release("a"),
        lease.release(), lease.renew(), lease.renew(ttl=60), lease.verify(None), locks.lock("a").locked(),
        locks.aclose(),
    ):
        try:
            await work
        except LockError as error:
            print(error)

with asyncio.Runner() as runner:
    client = AsyncMongoClient(sys.argv[1])
    locks = LockRepository(client.forking.locks)
    lease = runner.run(locks.acquire("cron"))
    sys.stdout.flush()
    child = os.fork()
    if not child:
        asyncio.run(use(locks, lease))
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
    print("held" if lease.held else "not held", runner.run(lease.release()))
    runner.run(locks.aclose())
    runner.run(client.close())
"""


def run(program: str, server: Mongod) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "default::ResourceWarning", "-c", program, server.uri]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)


def test_a_process_that_forgets_to_close_is_warned_and_ends_in_order(standalone: Mongod) -> None:
    ended = run(FORGETFUL, standalone)
    assert ended.returncode == 0
    assert "ResourceWarning: unclosed <LockRepository forgetful.locks>" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "never retrieved" not in ended.stderr


def test_a_forked_child_is_refused_and_its_parent_goes_on(standalone: Mongod) -> None:
    ended = run(FORKING, standalone)
    assert ended.returncode == 0, ended.stderr
    held, *refused, parent = ended.stdout.splitlines()
    assert held == "not held False"
    assert refused == ["this LockRepository was made before a fork; make a new one in the child"] * 11
    assert parent == "held True"
