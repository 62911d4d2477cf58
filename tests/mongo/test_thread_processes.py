"""A program whose leases a thread renews: its end, and its children."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import uuid

from mongolock_async.testing import Mongod

PROGRAM = """
    import asyncio, os, sys, time
    from pymongo import AsyncMongoClient, MongoClient
    from mongolock_async import LockError, LockRepository

    async def use(locks):
        lease = await locks.acquire("cron", ttl=3, keep_alive=True)
        before = lease.remaining
        while lease.remaining <= before:  # the loop stands still until it was renewed
            time.sleep(0.005)
            before = min(before, lease.remaining)
        return lease

    async def main():
        blocking = MongoClient(os.environ["MONGODB_URI"])
        client = AsyncMongoClient(os.environ["MONGODB_URI"])
        name = os.environ["DATABASE"]
        locks = LockRepository(client[name].locks, renewal_collection=blocking[name].locks)
"""

FORGETS = """
        await use(locks)
        await client.close()
        blocking.close()
        print("done")

    asyncio.run(main())
"""

FORKS = """
        lease = await use(locks)
        child = os.fork()
        if child == 0:
            refused = 0
            for work in (locks.obtain("a"), lease.renew(), lease.release(), locks.aclose()):
                try:
                    await work
                except LockError:
                    refused += 1
            os._exit(0 if (lease.held, refused) == (False, 4) else 1)
        _, status = os.waitpid(child, 0)
        print("child", status)
        before = lease.remaining
        while lease.remaining <= before:
            time.sleep(0.005)
            before = min(before, lease.remaining)
        print("held", lease.held, await lease.release())
        await locks.aclose()
        await client.close()
        blocking.close()

    asyncio.run(main())
"""

MOVES = """
        await use(locks)
        await client.close()
        return locks

    async def elsewhere(locks):
        try:
            await locks.obtain("a")
        except LockError as error:
            print(error)

    asyncio.run(elsewhere(asyncio.run(main())))
"""


def run(program: str, server: Mongod) -> subprocess.CompletedProcess[str]:
    """In a process of its own; it must end by itself."""
    return subprocess.run(
        [sys.executable, "-W", "always", "-c", textwrap.dedent(PROGRAM + program)],
        env={**os.environ, "MONGODB_URI": server.uri, "DATABASE": f"test_{uuid.uuid4().hex}"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_a_program_that_forgets_to_close_ends_and_is_warned(standalone: Mongod) -> None:
    ended = run(FORGETS, standalone)
    assert (ended.returncode, ended.stdout) == (0, "done\n"), ended.stderr
    assert "ResourceWarning: unclosed <LockRepository" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_forked_child_is_refused_and_its_parents_thread_goes_on(standalone: Mongod) -> None:
    ended = run(FORKS, standalone)
    assert (ended.returncode, ended.stdout) == (0, "child 0\nheld True True\n"), ended.stderr
    assert "Traceback" not in ended.stderr


def test_in_a_second_event_loop_it_is_refused(standalone: Mongod) -> None:
    ended = run(MOVES, standalone)
    assert ended.returncode == 0, ended.stderr
    assert "belongs to another event loop" in ended.stdout
    assert "Traceback" not in ended.stderr
