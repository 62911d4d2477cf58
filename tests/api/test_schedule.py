"""``every`` and ``cron``: their arguments, and what a ``Schedule`` is in the hand."""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from faulty import FaultyLocks
from waiters import about, is_free, now

from mongolock_async import LockRepository, Schedule

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def memory() -> FaultyLocks:
    return FaultyLocks(start=START)


async def boundaries(schedule: Schedule, count: int) -> list[float]:
    """The seconds of the next ones from the start."""
    async with aclosing(schedule) as ticks:
        leases = [await anext(ticks) for _ in range(count)]
    return [(lease.boundary - START).total_seconds() for lease in leases if lease and lease.boundary]


@pytest.mark.parametrize(
    ("offset", "expected"), [(0, [10, 20]), (timedelta(), [10, 20]), (3, [3, 13]), (9.999, [9.999, 19.999])]
)
async def test_an_offset_moves_all_boundaries(
    locks: LockRepository, offset: float, expected: list[float]
) -> None:
    assert await boundaries(locks.every(10, "cron", offset=offset), 2) == expected
    assert now() == about(expected[-1] + 0.001)


@pytest.mark.parametrize(
    ("offset", "error"),
    [
        (-1, ValueError),
        (timedelta(seconds=-1), ValueError),
        (10, ValueError),
        (9.9996, ValueError),
        (11, ValueError),
        (float("nan"), ValueError),
        ("1", TypeError),
        (None, TypeError),
        (False, TypeError),
    ],
)
async def test_an_offset_is_less_than_the_period_and_not_negative(
    locks: LockRepository, memory: FaultyLocks, offset: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="offset must be"):
        locks.every(10, "cron", offset=offset)
    assert memory.sent == {}


async def test_a_period_is_a_tenth_of_a_second_at_least(locks: LockRepository) -> None:
    for period in (0.0999, 0.001, timedelta(milliseconds=99)):
        with pytest.raises(ValueError, match=r"period must be at least 0.1 s"):
            locks.every(period, "cron")
    assert await boundaries(locks.every(0.1, "cron"), 2) == [0.1, 0.2]


@pytest.mark.parametrize(
    ("expression", "options", "error", "text"),
    [
        ("* * * * 9", {"tz": "UTC"}, ValueError, "wrong day-of-week, '9'"),
        ("* * * *", {"tz": "UTC"}, ValueError, "5 fields"),
        (5, {"tz": "UTC"}, TypeError, "expression must be a str"),
        ("@daily", {}, TypeError, "tz"),
        ("@daily", {"tz": None}, TypeError, "tz must be"),
        ("@daily", {"tz": UTC}, TypeError, "tz must be"),
        ("@daily", {"tz": "Europe/Atlantis"}, ValueError, "'Europe/Atlantis'"),
        ("@daily", {"tz": "UTC", "catch_up": 0}, ValueError, "catch_up must be"),
        ("@daily", {"tz": "UTC", "catch_up": -1}, ValueError, "catch_up must be"),
        ("@daily", {"tz": "UTC", "catch_up": True}, TypeError, "catch_up must be"),
        ("@daily", {"tz": "UTC", "ttl": 0}, ValueError, "ttl must be"),
    ],
)
async def test_wrong_arguments_of_cron_send_nothing(
    locks: LockRepository,
    memory: FaultyLocks,
    expression: Any,
    options: dict[str, Any],
    error: type[Exception],
    text: str,
) -> None:
    with pytest.raises(error, match=text):
        locks.cron(expression, "report", **options)
    assert memory.sent == {}


async def test_without_its_extra_cron_says_what_to_install(
    locks: LockRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cronsim", None)
    with pytest.raises(ImportError, match=r"pip install 'mongolock-async\[cron\]'"):
        locks.cron("@daily", "report", tz="UTC")


async def test_a_schedule_says_what_it_is_when_printed(locks: LockRepository) -> None:
    assert repr(locks.every(5, "a")) == "<Schedule 'a': every 5 s>"
    assert repr(locks.every(86_400, "b", offset=10_800)) == "<Schedule 'b': every 86400 s at 10800 s>"
    cron = locks.cron("@daily", "c", tz=ZoneInfo("Europe/Berlin"))
    assert repr(cron) == "<Schedule 'c': cron '@daily' in Europe/Berlin>"
    assert cron.name == "c"


@pytest.mark.parametrize(("ttl", "lives"), [(None, 30), (600, 60), (10, 10)])
async def test_a_lease_of_cron_lives_no_longer_than_from_one_boundary_to_the_next(
    locks: LockRepository, ttl: float | None, lives: float
) -> None:
    lease = await locks.cron("* * * * *", "report", "me", tz="UTC", ttl=ttl).obtain()
    assert lease is not None
    assert (lease.name, lease.owner, lease.ttl) == ("report", "me", lives)


async def test_making_a_schedule_sends_nothing_and_nobody_has_to_use_it(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    for _ in range(3):
        locks.every(5, "a")
        locks.cron("@hourly", "b", tz="UTC")
    await asyncio.sleep(10)
    assert memory.sent == {}


async def test_a_loop_that_was_left_goes_on_where_it_was(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    schedule = locks.every(5, "cron")
    leases = []
    for _ in range(2):
        async for lease in schedule:
            assert lease is not None
            leases.append(lease)
            break
        assert leases[-1].held
    assert not leases[0].held
    assert memory.sent["claim"] == 1 + 2  # one for the time, and one for each boundary
    await schedule.aclose()
    assert await is_free(others)


async def test_a_schedule_that_has_ended_begins_anew_with_the_next_loop(locks: LockRepository) -> None:
    schedule = locks.every(5, "cron")
    assert await anext(schedule) is not None
    await schedule.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(schedule)
    boundaries = []
    async for lease in schedule:
        assert lease is not None
        boundaries.append(lease.boundary)
        break
    assert boundaries == [START + timedelta(seconds=10)]
    await schedule.aclose()


async def test_a_loop_whose_schedule_nobody_refers_to_any_more_lets_go_of_its_lease(
    locks: LockRepository, others: LockRepository
) -> None:
    async for lease in locks.every(5, "cron"):
        assert lease is not None
        break
    await asyncio.sleep(0.1)
    assert await is_free(others)
