"""What waits for a clock, and the clocks."""

from __future__ import annotations

import asyncio
import functools
import platform
import time

import pytest
from suspended import Machine
from virtual import settle
from waiters import now

from mongolock_async._engine.clock import LONGEST, Clock, SystemClock, sleep, timeout, wait
from mongolock_async._memory.clock import MemoryClock


@pytest.fixture(params=[Machine, MemoryClock])
async def clock(request: pytest.FixtureRequest) -> Clock:
    """Each of the clocks; here, the timers of both are driven by the loop."""
    made: Clock = request.param()
    return made


@pytest.fixture
async def complaints() -> list[str]:
    """What the loop complains of: an error that a timer raises, nobody else hears of."""
    heard: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context["message"]))
    return heard


async def test_a_sleep_lasts_as_long_as_it_is_told(clock: Clock) -> None:
    await sleep(clock, 3600)
    assert now() == 3600


@pytest.mark.parametrize("seconds", [0, -5])
async def test_a_sleep_until_a_moment_that_has_passed_takes_no_time(clock: Clock, seconds: float) -> None:
    await sleep(clock, seconds)
    assert now() == 0


async def test_one_who_waits_goes_on_when_the_event_is_set(clock: Clock) -> None:
    event = asyncio.Event()
    waiter = asyncio.create_task(wait(clock, event, 60))
    await asyncio.sleep(5)
    assert not waiter.done()
    event.set()
    await waiter
    assert now() == 5


async def test_one_who_has_waited_long_enough_sets_the_event(clock: Clock) -> None:
    event = asyncio.Event()
    await wait(clock, event, 60)
    assert now() == 60
    assert event.is_set()


async def test_an_event_that_is_set_already_is_not_waited_for(clock: Clock) -> None:
    event = asyncio.Event()
    event.set()
    await wait(clock, event, 60)
    assert now() == 0


async def test_one_who_was_served_leaves_no_timer_that_sets_the_event_later(clock: Clock) -> None:
    event = asyncio.Event()
    event.set()
    await wait(clock, event, 60)
    event.clear()
    await asyncio.sleep(61)
    assert not event.is_set()


async def test_one_who_is_cancelled_leaves_no_timer_that_sets_the_event_later(clock: Clock) -> None:
    event = asyncio.Event()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await wait(clock, event, 60)
    await asyncio.sleep(61)
    assert not event.is_set()


async def test_a_block_that_takes_longer_than_its_timeout_is_cancelled(clock: Clock) -> None:
    with pytest.raises(TimeoutError):
        async with timeout(clock, 5) as scope:
            await asyncio.sleep(60)
    assert now() == 5
    assert scope.expired()


@pytest.mark.parametrize("seconds", [0, -5])
async def test_a_timeout_that_has_passed_cancels_the_first_thing_that_takes_time(
    clock: Clock, seconds: float
) -> None:
    with pytest.raises(TimeoutError):
        async with timeout(clock, seconds):
            await asyncio.sleep(60)
    assert now() == 0


async def test_a_block_that_ends_in_time_is_left_alone_ever_after(
    clock: Clock, complaints: list[str]
) -> None:
    async with timeout(clock, 5) as scope:
        await asyncio.sleep(4)
    await asyncio.sleep(60)
    assert not scope.expired()
    assert complaints == []


async def test_a_block_that_raises_is_left_alone_ever_after(clock: Clock, complaints: list[str]) -> None:
    with pytest.raises(KeyError):
        async with timeout(clock, 5):
            raise KeyError
    await asyncio.sleep(60)
    assert complaints == []


async def test_no_timeout_is_no_limit(clock: Clock) -> None:
    async with timeout(clock, None) as scope:
        await asyncio.sleep(1_000_000)
    assert not scope.expired()


async def test_a_cancellation_from_elsewhere_is_no_timeout(clock: Clock) -> None:
    async def work() -> None:
        async with timeout(clock, 60):
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_inner_of_two_timeouts_leaves_the_outer_one_alone(clock: Clock) -> None:
    async with timeout(clock, 5) as outer:
        with pytest.raises(TimeoutError):
            async with timeout(clock, 2):
                await asyncio.sleep(60)
        await asyncio.sleep(2)
    assert not outer.expired()


# What a system has for the time that a suspended machine counts; Python's own clock stands still meanwhile.
CLOCKS = {"Linux": "CLOCK_BOOTTIME", "Darwin": "CLOCK_MONOTONIC"}


@pytest.mark.parametrize("system", CLOCKS)
def test_the_systems_clock_counts_the_time_of_a_suspended_machine(
    monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    """On this system, as it is; on the other, by the names that it has."""
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(time, CLOCKS[system], 77, raising=False)
    monkeypatch.setattr(time, "clock_gettime", {77: 12.5}.__getitem__)
    assert SystemClock().now() == 12.5


def test_where_no_clock_counts_that_time_pythons_own_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    monkeypatch.setattr(time, "clock_gettime", None)
    assert time.monotonic() <= SystemClock().now() <= time.monotonic()


@pytest.mark.parametrize("seconds", [1, LONGEST - 1, LONGEST, LONGEST + 1, 3600])
async def test_a_timer_is_late_by_a_minute_at_the_most_however_long_the_machine_was_suspended(
    seconds: float,
) -> None:
    clock, called = Machine(), list[float]()
    clock.call_later(seconds, lambda: called.append(clock.now()))
    await asyncio.sleep(0.5)
    clock.suspend(seconds - 0.6)
    await asyncio.sleep(LONGEST)
    assert len(called) == 1
    assert seconds <= called[0] <= seconds + LONGEST


async def test_a_long_timer_that_was_cancelled_is_not_called() -> None:
    clock, called = Machine(), list[int]()
    timers = [clock.call_later(3600, lambda: called.append(1)) for _ in range(2)]
    timers[0].cancel()
    await asyncio.sleep(3590)
    timers[1].cancel()
    await asyncio.sleep(3600)
    assert called == []


async def test_a_clock_in_memory_is_that_of_the_loop_and_what_it_was_set_forward_by() -> None:
    clock = MemoryClock()
    await asyncio.sleep(2)
    assert clock.now() == 2
    clock.advance(3600)
    await asyncio.sleep(2)
    assert clock.now() == 3604
    assert now() == 4


def test_a_clock_in_memory_can_be_read_outside_of_a_loop() -> None:
    clock = MemoryClock()
    before = clock.now()
    clock.advance(3600)
    assert clock.now() - before >= 3600


async def test_what_is_due_when_the_clock_is_set_forward_is_called_in_the_order_of_its_time() -> None:
    clock, called = MemoryClock(), list[float]()
    for seconds in (30, 10, 60, 20):
        clock.call_later(seconds, functools.partial(called.append, seconds))
    clock.advance(30)
    assert called == []  # not by the one who sets it forward
    await settle()
    assert called == [10, 20, 30]
    await asyncio.sleep(29)
    assert called == [10, 20, 30]
    await asyncio.sleep(1)
    assert called == [10, 20, 30, 60]


async def test_a_timer_that_was_cancelled_is_not_called_however_far_the_clock_is_set_forward() -> None:
    clock, called = MemoryClock(), list[int]()
    timer = clock.call_later(10, lambda: called.append(1))
    timer.cancel()
    clock.advance(60)
    await asyncio.sleep(60)
    timer.cancel()
    assert called == []


async def test_a_timer_that_has_come_is_called_once() -> None:
    clock, called = MemoryClock(), list[int]()
    clock.call_later(10, lambda: called.append(1))
    clock.advance(10)
    clock.advance(10)
    await asyncio.sleep(60)
    clock.advance(10)
    await asyncio.sleep(60)
    assert called == [1]


async def test_a_timeout_counts_the_time_that_was_slept_through() -> None:
    clock = MemoryClock()
    with pytest.raises(TimeoutError):
        async with timeout(clock, 3600):
            clock.advance(3600)
            await asyncio.sleep(1)
    assert now() == 0
