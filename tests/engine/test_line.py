"""The line of those who wait for the same name in one process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from virtual import settle
from waiters import now

from mongolock_async._engine.line import Lines


@pytest.fixture
def lines() -> Lines:
    return Lines()


@asynccontextmanager
async def turn(lines: Lines, name: str = "a") -> AsyncIterator[None]:
    ticket = await lines.enter(name)
    try:
        yield
    finally:
        lines.leave(name, ticket)


async def served(lines: Lines, count: int, cancelled: set[int]) -> list[int]:
    """In which order so many tasks have their turn of a second each; some are cancelled while they wait."""
    order = []

    async def work(number: int) -> None:
        async with turn(lines):
            order.append(number)
            await asyncio.sleep(1)

    tasks = [asyncio.create_task(work(number)) for number in range(count)]
    await settle()
    for number in cancelled:
        tasks[number].cancel()
    await asyncio.wait(tasks)
    assert {number for number, task in enumerate(tasks) if task.cancelled()} == cancelled
    return order


async def test_turns_come_in_the_order_of_arrival(lines: Lines) -> None:
    assert await served(lines, 5, set()) == [0, 1, 2, 3, 4]


async def test_whoever_comes_first_enters_at_once(lines: Lines) -> None:
    async with turn(lines):
        assert now() == 0


async def test_one_at_a_time(lines: Lines) -> None:
    inside = 0

    async def work() -> None:
        nonlocal inside
        async with turn(lines):
            assert inside == 0
            inside += 1
            await asyncio.sleep(1)
            inside -= 1

    await asyncio.gather(*(work() for _ in range(100)))
    assert now() == pytest.approx(100)


@pytest.mark.parametrize(
    ("cancelled", "order"), [({1, 3}, [0, 2, 4]), ({1, 2, 3, 4}, [0]), ({4}, [0, 1, 2, 3])]
)
async def test_one_that_is_cancelled_while_it_waits_leaves_its_place_to_the_next(
    lines: Lines, cancelled: set[int], order: list[int]
) -> None:
    assert await served(lines, 5, cancelled) == order


async def test_one_that_is_cancelled_during_its_turn_gives_it_to_the_next(lines: Lines) -> None:
    assert await served(lines, 4, {0}) == [0, 1, 2, 3]


async def test_one_that_is_cancelled_just_as_its_turn_comes_gives_it_to_the_next(lines: Lines) -> None:
    first = await lines.enter("a")
    second, third = (asyncio.create_task(lines.enter("a")) for _ in range(2))
    await settle()
    lines.leave("a", first)
    second.cancel()
    lines.leave("a", await third)
    assert second.cancelled()
    assert "a" not in lines


async def test_one_whose_turn_comes_just_as_it_was_cancelled_gives_it_to_the_next(lines: Lines) -> None:
    first = await lines.enter("a")
    second, third = (asyncio.create_task(lines.enter("a")) for _ in range(2))
    await settle()
    second.cancel()
    lines.leave("a", first)
    lines.leave("a", await third)
    assert second.cancelled()
    assert "a" not in lines


async def test_other_names_have_lines_of_their_own(lines: Lines) -> None:
    async with turn(lines, "a"), turn(lines, "b"):
        assert "a" in lines
        assert "b" in lines
    assert now() == 0


async def test_a_line_that_nobody_stands_in_is_forgotten(lines: Lines) -> None:
    async with turn(lines):
        pass
    assert "a" not in lines
    await served(lines, 4, {1, 2})
    assert "a" not in lines
