"""What several locks and elections cost, counted in commands, and how they are sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from support import CommandLog

from mongolock_async import Lease, LockRepository

pytestmark = pytest.mark.parametrize("uri", ["replica_set"], indirect=True)

URL = "http://10.0.0.7"


@pytest.fixture
async def warm(locks: LockRepository, commands: CommandLog) -> LockRepository:
    """A repository whose index is made."""
    await locks.create("cron")
    commands.clear()
    return locks


def fields(sent: Any) -> set[str]:
    """The names of all fields in a command."""
    if isinstance(sent, Mapping):
        return {*sent, *fields(list(sent.values()))}
    return {name for one in sent for name in fields(one)} if isinstance(sent, list) else set()


async def test_to_take_three_locks_is_three_commands_and_to_free_them_three_more(
    warm: LockRepository, commands: CommandLog
) -> None:
    three = warm.lock_all("c", "a", "b")
    async with three:
        pass
    assert commands.counts == {"findAndModify": 6}
    names = [event.command["query"]["_id"] for event in commands.sent]
    assert (names[:3], sorted(names[3:])) == (["a", "b", "c"], ["a", "b", "c"])
    commands.clear()
    assert await three.acquire() is not None
    assert commands.counts == {"findAndModify": 3}


async def test_a_term_that_nobody_contends_is_two_commands(
    warm: LockRepository, commands: CommandLog
) -> None:
    async def serve(lease: Lease) -> None:
        assert lease.held

    await warm.election("cron", URL).run(serve)
    assert commands.counts == {"findAndModify": 2}


async def test_a_leader_is_one_read_and_a_proclamation_one_command(
    warm: LockRepository, commands: CommandLog
) -> None:
    lease = await warm.election("cron", URL).acquire()
    commands.clear()
    leader = await warm.election("cron").leader()
    assert leader is not None
    assert (leader.value, commands.counts) == (URL, {"find": 1})
    assert await lease.proclaim("$owner")
    assert commands.counts == {"find": 1, "findAndModify": 1}
    assert commands.last("findAndModify")["writeConcern"]["w"] == "majority"
    leader = await warm.election("cron").leader()
    assert leader is not None
    assert leader.value == "$owner"


async def test_only_a_claim_with_a_value_says_something_of_it(
    warm: LockRepository, commands: CommandLog
) -> None:
    for lock, says in ((warm.lock("a"), False), (warm.election("b"), False), (warm.election("c", URL), True)):
        for take in (lock.obtain, lock.acquire):
            lease = await take()
            assert lease is not None
            assert ("value" in fields(commands.last("findAndModify"))) is says
            await lease.release()
            assert "value" not in fields(commands.last("findAndModify"))
