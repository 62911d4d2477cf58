"""``mongolock run``: whoever has lost its lease has no process left when the next holder starts."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import pytest
from commandline import LEFT, STUBBORN, Way, begun, is_left
from pymongo import AsyncMongoClient
from support import until

from mongolock_async import LockRepository
from mongolock_async.testing import Mongod

pytestmark = pytest.mark.long

ROUNDS = 50
AT_A_TIME = 5
TTL = 3.0


class Pair:
    """A holder whose command ignores TERM, as its child does, and the one who waits behind it."""

    def __init__(
        self, holder: asyncio.subprocess.Process, group: int, next_one: asyncio.subprocess.Process
    ) -> None:
        self.holder = holder
        self.group = group
        self._next = next_one

    async def seen(self) -> str:
        """What the next holder's command sees of the one before it, first of all."""
        output, _ = await self._next.communicate()
        return output.decode().strip()

    async def code(self) -> int:
        return await self.holder.wait()


@asynccontextmanager
async def pair(holders_uri: str, uri: str) -> AsyncIterator[Pair]:
    name = uuid.uuid4().hex
    words = ("run", "--ttl", str(TTL), "--grace", "0.5", name, "--", "sh", "-c")
    holder = await begun(holders_uri, *words, STUBBORN)
    assert holder.stdout is not None
    group = int(await holder.stdout.readline())
    waiter = await begun(uri, *words, LEFT, str(group))
    try:
        async with (
            AsyncMongoClient[dict[str, Any]](uri) as client,
            LockRepository(client.mongolock.locks) as locks,
        ):

            async def waits() -> bool:
                await asyncio.sleep(0.05)
                lock = await locks.get(name)
                return lock is not None and len(lock.queue) == 1

            await until(waits, within=120)
        yield Pair(holder, group, waiter)
    finally:
        for process in (holder, waiter):
            with suppress(ProcessLookupError):
                process.kill()
            await process.communicate()
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


async def cut_off(uri: str) -> str:
    """By the loss of the way to its server."""
    async with Way(uri).laid() as way, pair(way.uri, uri) as two:
        way.cut()
        seen = await two.seen()
        assert await two.code() == 76
        return seen


async def killed(uri: str) -> str:
    """By the death of mongolock."""
    async with pair(uri, uri) as two:
        two.holder.kill()
        return await two.seen()


async def stopped(uri: str) -> str:
    """By a mongolock that is stopped."""
    async with pair(uri, uri) as two:
        two.holder.send_signal(signal.SIGSTOP)
        seen = await two.seen()
        two.holder.send_signal(signal.SIGCONT)
        assert await two.code() == 76
        return seen


@pytest.mark.timeout(600)
async def test_none_of_its_processes_is_left(standalone: Mongod, capsys: pytest.CaptureFixture[str]) -> None:
    turns = asyncio.Semaphore(AT_A_TIME)
    ways = (cut_off, cut_off, killed, stopped, cut_off)

    async def turn(number: int) -> str:
        lose = ways[number % len(ways)]
        async with turns:
            return f"{lose.__name__}: {await lose(standalone.uri)}"

    seen = Counter(await asyncio.gather(*map(turn, range(ROUNDS))))
    with capsys.disabled():
        print(f"\nafter the loss, the next holder saw: {dict(seen)}")
    assert seen == {"cut_off: none": 30, "killed: none": 10, "stopped: none": 10}


@pytest.mark.timeout(120)
async def test_none_is_left_after_the_silence_of_the_server() -> None:
    async with Mongod() as server, AsyncExitStack() as stack:
        pairs = [await stack.enter_async_context(pair(server.uri, server.uri)) for _ in range(3)]
        server.node.stop()
        codes = await asyncio.gather(*(two.code() for two in pairs))
        server.node.resume()
        assert codes == [76, 76, 76]
        assert [await two.seen() for two in pairs] == ["none", "none", "none"]


async def test_a_command_that_ends_when_it_is_told_is_not_killed(standalone: Mongod) -> None:
    tidy = 'trap "echo tidied; exit 0" TERM; echo begun; while :; do sleep 0.1; done'
    async with Way(standalone.uri).laid() as way:
        words = ("run", "--ttl", str(TTL), uuid.uuid4().hex, "--", "sh", "-c", tidy)
        holder = await begun(way.uri, *words)
        assert holder.stdout is not None
        assert await holder.stdout.readline() == b"begun\n"
        way.cut()
        output, said = await holder.communicate()
    assert (output, holder.returncode) == (b"tidied\n", 76)
    assert b"told to end" in said
    assert b"killed" not in said


async def test_a_leader_that_is_cut_off_leaves_none_to_the_next_one(standalone: Mongod) -> None:
    name = uuid.uuid4().hex
    words = ("elect", "--ttl", str(TTL), name, "--", "sh", "-c")
    async with Way(standalone.uri).laid() as way:
        leader = await begun(way.uri, *words, STUBBORN)
        assert leader.stdout is not None
        group = int(await leader.stdout.readline())
        way.cut()
        next_one = await begun(standalone.uri, *words, LEFT, str(group))
        output, _ = await next_one.communicate()
        assert (output, next_one.returncode) == (b"none\n", 0)
        leader.send_signal(signal.SIGTERM)
        assert await leader.wait() == 128 + signal.SIGTERM
        await leader.communicate()


async def test_a_leader_whose_lease_was_in_danger_only_runs_its_command_again(standalone: Mongod) -> None:
    says = 'trap "exit 0" TERM; echo $MONGOLOCK_TOKEN; while :; do sleep 0.1; done'
    async with Way(standalone.uri).laid() as way:
        words = ("elect", "--ttl", "20", "--grace", "10", uuid.uuid4().hex, "--", "sh", "-c", says)
        leader = await begun(way.uri, *words)
        assert leader.stdout is not None
        assert leader.stderr is not None
        token = await leader.stdout.readline()
        way.cut()
        assert b"told to end" in await leader.stderr.readline()
        way.mend()
        assert await leader.stdout.readline() == token
        leader.send_signal(signal.SIGTERM)
        await leader.communicate()
        assert leader.returncode == 0


async def test_one_whose_lease_was_forced_is_killed_when_it_learns_of_it(
    standalone: Mongod,
) -> None:
    name = uuid.uuid4().hex
    holder = await begun(standalone.uri, "run", "--ttl", str(TTL), name, "--", "sh", "-c", STUBBORN)
    assert holder.stdout is not None
    group = int(await holder.stdout.readline())
    async with (
        AsyncMongoClient[dict[str, Any]](standalone.uri) as client,
        LockRepository(client.mongolock.locks) as locks,
    ):
        assert await locks.force_release(name)
        _, said = await holder.communicate()
    assert holder.returncode == 76
    assert not is_left(group)
    assert b"was lost" in said
