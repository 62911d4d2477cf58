"""Turns and pauses, without a server and without a clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mongolock_async import _waiting
from mongolock_async._waiting import Lines


def test_pauses_grow_from_20_to_250_ms() -> None:
    backoff = _waiting.Backoff()
    pauses = [backoff.pause(None) for _ in range(20)]
    assert 0.010 <= pauses[0] <= 0.020
    assert all(0.125 <= pause <= 0.250 for pause in pauses[10:])


def test_pauses_are_jittered() -> None:
    assert len({_waiting.Backoff().pause(None) for _ in range(20)}) > 1
    assert len({_waiting.poll_pause(1, 0) for _ in range(20)}) > 1


def test_a_pause_never_outlasts_the_holders_lease() -> None:
    backoff = _waiting.Backoff()
    assert all(backoff.pause(0.005) <= 0.005 + _waiting.AFTER_EXPIRY for _ in range(20))


def test_polling_begins_at_10_ms_and_grows_to_250() -> None:
    for waited, longest in [(0, 0.010), (0.5, 0.050), (1, 0.100), (2.5, 0.250), (3600, 0.250)]:
        pauses = [_waiting.poll_pause(waited, 0) for _ in range(50)]
        assert all(longest / 2 <= pause <= longest for pause in pauses)


def test_those_further_back_poll_more_slowly_up_to_a_second() -> None:
    assert 0.5 * 0.030 <= _waiting.poll_pause(0, 2) <= 0.030
    assert 0.5 <= _waiting.poll_pause(3600, 1000) <= 1


def test_those_behind_the_head_try_a_little_later() -> None:
    times = [_waiting.after_expiry(1, place) for place in (0, 1, 2, 100, 1000)]
    assert times == sorted(times)
    assert 1 < times[0] < 1.01
    assert times[-1] <= 1 + 6


@asynccontextmanager
async def turn(lines: Lines, name: str) -> AsyncIterator[None]:
    ticket = await lines.enter(name)
    try:
        yield
    finally:
        lines.leave(name, ticket)


async def served(count: int, cancelled: set[int]) -> list[int]:
    """In which order so many tasks have their turn; some are cancelled while they wait."""
    lines, order = Lines(), []
    first = asyncio.Event()

    async def work(number: int) -> None:
        async with turn(lines, "a"):
            order.append(number)
            await first.wait()

    tasks = [asyncio.create_task(work(number)) for number in range(count)]
    await asyncio.sleep(0)
    for number in cancelled:
        tasks[number].cancel()
    first.set()
    await asyncio.wait(tasks)
    assert "a" not in lines
    return order


async def test_turns_come_in_the_order_of_arrival() -> None:
    assert await served(5, set()) == [0, 1, 2, 3, 4]


async def test_one_that_is_cancelled_while_it_waits_gives_its_turn_to_the_next() -> None:
    assert await served(5, {1, 3}) == [0, 2, 4]
    assert await served(5, {1, 2, 3, 4}) == [0]


async def test_one_that_is_cancelled_at_its_turn_gives_it_to_the_next() -> None:
    assert await served(4, {0}) == [0, 1, 2, 3]


async def test_other_names_have_lines_of_their_own() -> None:
    lines = Lines()
    async with turn(lines, "a"), turn(lines, "b"):
        assert "a" in lines
        assert "b" in lines
    assert "b" not in lines


async def test_one_at_a_time() -> None:
    lines, inside = Lines(), 0

    async def work() -> None:
        nonlocal inside
        async with turn(lines, "a"):
            assert inside == 0
            inside += 1
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(work() for _ in range(100)))
