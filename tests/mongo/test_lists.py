"""Lists of more locks than one command reads."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import pytest
from mongo.shared import Answers

from mongolock_async import LockRepository

pytestmark = pytest.mark.parametrize("uri", ["standalone"], indirect=True)

COUNT = 450


@pytest.fixture
def commands() -> Answers:
    return Answers()


@pytest.fixture
async def many(locks: LockRepository, collection: Any, commands: Answers) -> list[str]:
    """So many locks, of which each third is held; and some foreign documents among them."""
    await locks.acquire("held", ttl=600)
    await locks.create("free")
    held, free = await collection.find_one({"_id": "held"}), await collection.find_one({"_id": "free"})
    await collection.delete_many({})
    names = [f"{'ab'[number % 2]}:{number:03}" for number in range(COUNT)]
    locked = [{**(free if number % 3 else held), "_id": name} for number, name in enumerate(names)]
    await collection.insert_many([*locked, {"_id": "a:foreign"}, {"_id": 7}])
    commands.clear()
    return names


async def test_a_list_comes_in_pages_of_200_and_leaves_no_cursor(
    locks: LockRepository, many: list[str], commands: Answers
) -> None:
    assert [info.name async for info in locks.list()] == sorted(many)
    assert commands.counts.keys() == {"find"}
    assert commands.counts["find"] <= 4
    assert {find["limit"] for find in commands.on("locks", "find")} == {200}
    assert set(commands.cursors) == {0}


async def test_a_page_that_has_no_room_in_one_answer_is_listed_whole(
    locks: LockRepository, collection: Any
) -> None:
    await locks.acquire("held", owner="x" * 100_000, ttl=600)
    held = await collection.find_one({"_id": "held"})
    names = [f"large:{number:03}" for number in range(200)]  # an answer has room for about 160
    for begin in range(0, 200, 100):
        await collection.insert_many({**held, "_id": name} for name in names[begin : begin + 100])
    assert [info.name async for info in locks.list("large:")] == names


async def test_a_list_by_prefix_reads_no_page_of_others(
    locks: LockRepository, many: list[str], commands: Answers
) -> None:
    assert [info.name async for info in locks.list("a:")] == sorted(name for name in many if name < "b")
    assert commands.counts == {"find": 2}


async def test_a_list_of_what_is_held_has_nothing_else_sent(
    locks: LockRepository, many: list[str], commands: Answers
) -> None:
    infos = [info async for info in locks.list(held=True)]
    assert [info.name for info in infos] == sorted(many[::3])
    assert all(info.held for info in infos)
    # 150 of them are one page, although there are 450 locks.
    assert commands.counts["find"] <= 2


async def test_a_list_by_prefix_of_what_is_held(locks: LockRepository, many: list[str]) -> None:
    found = [info.name async for info in locks.list("b:", held=True)]
    assert found == sorted(name for name in many[::3] if name > "b")


async def test_a_list_that_is_left_early_leaves_nothing_open(
    locks: LockRepository, many: list[str], commands: Answers
) -> None:
    listed: Any = locks.list()
    async with aclosing(listed) as infos:
        assert (await anext(infos)).name == min(many)
    assert commands.counts == {"find": 1}
    assert commands.cursors == [0]


async def test_a_list_goes_on_where_it_was_while_locks_come_and_go(
    locks: LockRepository, collection: Any, many: list[str]
) -> None:
    seen = []
    listed: Any = locks.list()
    async with aclosing(listed) as infos:
        async for info in infos:
            seen.append(info.name)
            if len(seen) == 200:
                await collection.delete_one({"_id": seen[-1]})
                await locks.create("a:0")
                await locks.create("z")
    assert seen == [*sorted(many), "z"]
