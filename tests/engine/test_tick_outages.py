"""``every`` while MongoDB is away, refuses, or is slow; and its end by ``aclose``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing

import pytest
from faulty import Fault, FaultyLocks, lost, unanswered
from ticking import BEHIND, PERIOD, START, Runs
from virtual import settle
from waiters import about, is_free, now, rests

from mongolock_async import Lease, LockBackendError, LockError, LockRepository

MakeFault = Callable[..., Fault]
FOREVER = 10**6
AWAY = "every 5 s, 'cron': MongoDB is away (NetworkTimeout); it goes on once it is back"
BACK = "every 5 s, 'cron': MongoDB is back"


@pytest.fixture
async def memory() -> FaultyLocks:
    """Locks whose clock begins at a boundary."""
    return FaultyLocks(start=START)


@pytest.fixture
def runs(memory: FaultyLocks) -> Runs:
    return Runs(memory)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What is said."""
    caplog.set_level(logging.INFO, "mongolock_async")
    return caplog


def failing(code: int | None, kind: str = "OperationFailure") -> Fault:
    """Claims fail with this error of the server."""
    return Fault("claim", error=LockBackendError("obtain", "cron", kind, code), times=FOREVER)


def unsupported() -> Fault:
    """Claims fail, and will do so until somebody mends that."""
    hint = "locks need another server"
    return Fault(
        "claim", error=LockBackendError("obtain", "cron", "OperationFailure", 303, hint), times=FOREVER
    )


async def outage(memory: FaultyLocks, seconds: float, delay: float = 0) -> None:
    """For so long, no claim arrives."""
    fault = lost("claim", times=FOREVER, delay=delay)
    memory.faults = [fault]
    await asyncio.sleep(seconds)
    fault.times = 0


@pytest.mark.parametrize("delay", [0, 20])
async def test_after_an_outage_it_goes_on_with_the_next_boundary(
    locks: LockRepository, memory: FaultyLocks, runs: Runs, delay: float
) -> None:
    task = asyncio.create_task(runs.follow(locks, 20))
    await asyncio.sleep(2 * PERIOD + 1)
    await outage(memory, 6 * PERIOD, delay)
    back = now()
    await task
    assert runs.served[:2] == [1, 2]
    # What is under way fails after the delay, and the next try comes within 5 s.
    assert runs.when[2] - back <= delay + 5 + PERIOD + BEHIND
    assert runs.served[2:] == list(range(runs.served[2], 21))


async def test_an_outage_is_one_line_in_the_log_and_its_end_is_another(
    locks: LockRepository, memory: FaultyLocks, runs: Runs, log: pytest.LogCaptureFixture
) -> None:
    task = asyncio.create_task(runs.follow(locks, 40))
    for _ in range(2):
        await asyncio.sleep(2 * PERIOD)
        await outage(memory, 10 * PERIOD)
    await task
    assert log.messages == [AWAY, BACK] * 2


async def test_an_outage_at_the_very_beginning_is_waited_for(
    locks: LockRepository, memory: FaultyLocks, runs: Runs
) -> None:
    task = asyncio.create_task(runs.follow(locks, 9))
    await outage(memory, 6 * PERIOD)
    await task
    assert runs.served[0] in {7, 8}
    assert runs.served[-1] == 9


async def test_while_mongodb_is_away_it_tries_more_and_more_rarely(
    locks: LockRepository, memory: FaultyLocks, runs: Runs
) -> None:
    task = asyncio.create_task(runs.follow(locks, 1000))
    await asyncio.sleep(PERIOD + 1)
    memory.sent.clear()
    await outage(memory, 600)
    assert 600 / 5 <= memory.sent["claim"] <= 600 / 2.5 + 15
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize("code", [13, 18])
async def test_a_refusal_is_raised_at_once(locks: LockRepository, memory: FaultyLocks, code: int) -> None:
    async with aclosing(locks.every(PERIOD, "cron")) as ticks:
        assert await anext(ticks) is not None
        memory.faults = [failing(code)]
        with pytest.raises(LockBackendError, match=f"code {code}"):
            await anext(ticks)
    assert now() == about(2 * PERIOD + BEHIND)


async def test_what_does_not_go_away_by_itself_is_raised_at_the_start(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    memory.faults = [unsupported()]
    async with asyncio.timeout(60):
        with pytest.raises(LockBackendError, match="another server"):
            await anext(locks.every(PERIOD, "cron"))
    assert now() == 0


async def test_what_does_not_go_away_by_itself_is_told_later_and_waited_for(
    locks: LockRepository, memory: FaultyLocks, runs: Runs, log: pytest.LogCaptureFixture
) -> None:
    task = asyncio.create_task(runs.follow(locks, 40))
    await asyncio.sleep(2 * PERIOD + 1)
    await outage(memory, 2 * PERIOD)  # which begins as any other
    memory.faults = [unsupported()]
    await asyncio.sleep(10 * PERIOD)
    memory.faults = []
    await task
    assert runs.served[-1] == 40
    why = "OperationFailure; locks need another server"
    assert log.messages == [AWAY, AWAY.replace("NetworkTimeout", why), BACK]


async def test_a_client_that_was_closed_is_no_outage(locks: LockRepository, memory: FaultyLocks) -> None:
    memory.faults = [failing(None, "InvalidOperation")]
    with pytest.raises(LockBackendError, match="InvalidOperation"):
        await anext(locks.every(PERIOD, "cron"))


@pytest.mark.parametrize("code", [91, 189, 11600, 8000])
async def test_other_errors_of_the_server_are_outlived(
    locks: LockRepository, memory: FaultyLocks, runs: Runs, code: int
) -> None:
    fault = failing(code)
    fault.times = 3
    memory.faults = [fault]
    await runs.follow(locks, 2)
    assert runs.served == [1, 2]


@pytest.mark.parametrize("fails", [lost, unanswered])
async def test_a_claim_without_an_answer_costs_its_boundary_and_leaves_nothing_behind(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, runs: Runs, fails: MakeFault
) -> None:
    async with aclosing(locks.every(PERIOD, "cron")) as ticks:
        next_tick = asyncio.ensure_future(anext(ticks))
        await settle()
        memory.faults = [fails("claim")]
        await asyncio.sleep(PERIOD + 1)
        assert await is_free(others)
        assert await next_tick is not None
        assert now() == about(2 * PERIOD + BEHIND)
    await runs.follow(locks, 4)
    assert runs.served == [3, 4]


async def test_an_answer_slower_than_the_ttl_costs_its_boundary(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, log: pytest.LogCaptureFixture
) -> None:
    async with aclosing(locks.every(PERIOD, "cron")) as ticks:
        memory.faults = [Fault("claim"), Fault("claim", delay=3), Fault("ask", delay=5, answer=True)]
        next_tick = asyncio.ensure_future(anext(ticks))
        await asyncio.sleep(PERIOD + 8.1)
        assert await is_free(others)
        assert AWAY.replace("NetworkTimeout", "LeaseLostError") in log.messages
        assert await next_tick is not None
    assert now() == about(3 * PERIOD + BEHIND)


async def test_closing_ends_an_iteration_that_waits_for_its_boundary_at_once(memory: FaultyLocks) -> None:
    locks = LockRepository(memory)
    waits = asyncio.ensure_future(anext(locks.every(3600, "cron"), "the end"))
    await asyncio.sleep(60)
    await locks.aclose()
    assert await waits == "the end"
    assert now() == 60
    assert rests(locks)


async def test_closing_ends_an_iteration_whose_body_runs_when_the_body_is_done(
    memory: FaultyLocks, others: LockRepository
) -> None:
    locks = LockRepository(memory)
    leases: list[Lease | None] = []

    async def loop() -> None:
        async for lease in locks.every(PERIOD, "cron"):
            leases.append(lease)
            await asyncio.sleep(1)

    task = asyncio.create_task(loop())
    await asyncio.sleep(PERIOD + 0.5)
    await locks.aclose()
    assert leases[0] is not None
    assert leases[0].lost.is_set()
    await task
    assert len(leases) == 1
    assert await is_free(others)


@pytest.mark.parametrize("answer", [False, True])
async def test_closing_ends_an_iteration_whose_claim_is_under_way(
    memory: FaultyLocks, others: LockRepository, *, answer: bool
) -> None:
    locks = LockRepository(memory)
    waits = asyncio.ensure_future(anext(locks.every(PERIOD, "cron"), "the end"))
    await settle()
    memory.faults = [Fault("claim", delay=2, answer=answer)]
    await asyncio.sleep(PERIOD + 1)
    await locks.aclose()
    assert await waits == "the end"
    assert await is_free(others)


async def test_closing_ends_an_iteration_that_waits_for_mongodb(memory: FaultyLocks) -> None:
    locks = LockRepository(memory)
    memory.faults = [lost("claim", times=FOREVER)]
    waits = asyncio.ensure_future(anext(locks.every(PERIOD, "cron"), "the end"))
    await asyncio.sleep(60)
    await locks.aclose()
    assert await waits == "the end"
    assert now() == 60


async def test_an_iteration_that_begins_after_the_end_says_so(memory: FaultyLocks) -> None:
    locks = LockRepository(memory)
    await locks.aclose()
    with pytest.raises(LockError, match="closed"):
        await anext(locks.every(PERIOD, "cron"))


async def test_after_an_outage_that_set_the_servers_clock_back_no_boundary_is_waited_for_again(
    locks: LockRepository, memory: FaultyLocks, runs: Runs
) -> None:
    task = asyncio.create_task(runs.follow(locks, 6))
    await asyncio.sleep(3 * PERIOD + 1)
    memory._store._epoch -= 2 * PERIOD
    await outage(memory, PERIOD)
    await task
    assert runs.served == [1, 2, 3, 4, 5, 6]
    assert runs.idle == 0
