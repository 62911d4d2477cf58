"""``Election.run`` and ``observe``: losses, outages, cancellation, deaths."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise

import pytest
from faulty import Fault, FaultyLocks, lost
from virtual import settle
from waiters import about, is_free, look, now, queue, rests

from mongolock_async import (
    Leader,
    Lease,
    LeaseLostError,
    LockBackendError,
    LockRepository,
)


async def lead(lease: Lease) -> None:
    """Lead for ever."""
    assert lease.held
    await asyncio.sleep(100_000)


class Term:
    """One who leads for ever, and notes when that began and how it ended."""

    def __init__(self, *, cleans_up: float = 0.0) -> None:
        self.began: list[float] = []
        self.ended: list[float] = []
        self._cleans_up = cleans_up

    async def serve(self, lease: Lease) -> None:
        self.began.append(now())
        try:
            await lead(lease)
        finally:
            await asyncio.sleep(self._cleans_up)
            self.ended.append(now())


async def test_a_loss_cancels_and_the_campaign_begins_again(
    locks: LockRepository, others: LockRepository
) -> None:
    term = Term()
    task = asyncio.create_task(locks.election("cron", ttl=3).run(term.serve))
    for count in range(3):
        await asyncio.sleep(10)
        assert (len(term.began), len(term.ended)) == (count + 1, count)
        await others.force_release("cron")
    await asyncio.sleep(10)
    assert len(term.began) == 4
    assert task.cancelling() == 0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await is_free(locks)
    assert rests(locks)


async def test_the_campaign_begins_again_when_the_body_has_ended_and_not_before(
    locks: LockRepository, others: LockRepository
) -> None:
    term = Term(cleans_up=4)
    task = asyncio.create_task(locks.election("cron", ttl=3).run(term.serve))
    await asyncio.sleep(10)
    await others.force_release("cron")
    await asyncio.sleep(10)
    assert len(term.began) == 2
    assert term.began[1] == about(term.ended[0])
    task.cancel()


async def test_a_body_that_swallows_its_cancellation_stands_again(
    locks: LockRepository, others: LockRepository
) -> None:
    began: list[float] = []

    async def serve(lease: Lease) -> None:
        began.append(now())
        try:
            await lead(lease)
        except asyncio.CancelledError:
            return

    task = asyncio.create_task(locks.election("cron", ttl=3).run(serve))
    await asyncio.sleep(10)
    await others.force_release("cron")
    await asyncio.sleep(10)
    assert len(began) == 2
    task.cancel()
    await task  # that one is swallowed, too: it has served to the end


async def test_a_body_that_says_that_its_lease_is_lost_stands_again(
    locks: LockRepository, others: LockRepository
) -> None:
    began = 0

    async def serve(lease: Lease) -> None:
        nonlocal began
        began += 1
        if began == 1:
            await others.force_release("cron")
            try:
                await lead(lease)
            except asyncio.CancelledError:
                raise LeaseLostError(lease.name, lease.owner, lease.fencing_token, "so it is") from None

    await locks.election("cron").run(serve)
    assert began == 2


async def test_the_loss_of_another_lease_is_an_error_like_any_other(locks: LockRepository) -> None:
    async def serve(lease: Lease) -> None:
        raise LeaseLostError("other", lease.owner, lease.fencing_token, "of another lock")

    with pytest.raises(LeaseLostError):
        await locks.election("cron").run(serve)
    assert await is_free(locks)


async def test_an_error_is_raised_after_the_release(locks: LockRepository, others: LockRepository) -> None:
    async def serve(lease: Lease) -> None:
        assert lease.held
        raise KeyError

    with pytest.raises(KeyError):
        await locks.election("cron").run(serve)
    assert await is_free(others)
    assert rests(locks)


async def test_an_error_on_the_way_out_of_a_lost_term_has_a_note_of_the_loss(
    locks: LockRepository, others: LockRepository
) -> None:
    async def serve(lease: Lease) -> None:
        try:
            await lead(lease)
        finally:
            raise KeyError

    task = asyncio.create_task(locks.election("cron", ttl=3).run(serve))
    await settle()
    await others.force_release("cron")
    with pytest.raises(KeyError) as raised:
        await task
    assert "was lost meanwhile" in raised.value.__notes__[0]


async def test_the_release_comes_when_the_body_has_ended(
    locks: LockRepository, others: LockRepository
) -> None:
    term = Term(cleans_up=5)
    task = asyncio.create_task(locks.election("cron").run(term.serve))
    await settle()
    task.cancel()
    await asyncio.sleep(4.9)
    assert not await is_free(others)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await is_free(others)


async def test_a_candidate_that_is_cancelled_leaves_nothing(
    locks: LockRepository, others: LockRepository
) -> None:
    await others.acquire("cron", ttl=600)
    task = asyncio.create_task(locks.election("cron").run(lead))
    await asyncio.sleep(5)
    assert len(await queue(others)) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await queue(others) == []
    assert rests(locks)


async def test_the_next_one_leads_at_the_expiry_of_one_that_died(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    dead = await others.election("cron", ttl=2).acquire()  # and nothing renews it
    term = Term()
    task = asyncio.create_task(locks.election("cron", ttl=2).run(term.serve))
    await asyncio.sleep(10)
    assert term.began == [pytest.approx(2, abs=0.01)]
    assert not dead.held
    assert memory.sent["call"] == 0
    task.cancel()


async def test_the_next_one_leads_at_once_after_a_release(
    locks: LockRepository, others: LockRepository
) -> None:
    first = await others.election("cron").acquire(keep_alive=True)
    term = Term()
    task = asyncio.create_task(locks.election("cron").run(term.serve))
    await asyncio.sleep(61)
    await first.release()
    await settle()
    assert term.began == [about(61)]
    task.cancel()


@pytest.mark.parametrize("taken", [False, True])
async def test_a_campaign_outlives_an_outage_with_one_line_in_the_log(
    locks: LockRepository,
    others: LockRepository,
    memory: FaultyLocks,
    caplog: pytest.LogCaptureFixture,
    *,
    taken: bool,
) -> None:
    if taken:
        await others.acquire("cron", ttl=50)
    term = Term()
    memory.faults = [lost("claim", times=10)]
    with caplog.at_level(logging.WARNING, "mongolock_async"):
        task = asyncio.create_task(locks.election("cron").run(term.serve))
        await asyncio.sleep(100)
    assert len(term.began) == 1
    assert (term.began[0] == pytest.approx(50, abs=0.1)) if taken else (10 < term.began[0] < 40)
    assert memory.faults[0].times == 0
    assert [message for message in caplog.messages if "election" in message] == [
        "the election 'cron': MongoDB is away (NetworkTimeout); it goes on once it is back",
        "the election 'cron': MongoDB is back",
    ]
    task.cancel()


async def test_an_outage_during_a_term_ends_it_and_begins_a_campaign(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    term = Term()
    task = asyncio.create_task(locks.election("cron", ttl=5).run(term.serve))
    await asyncio.sleep(1)
    with memory.silent():
        await asyncio.sleep(15)
    await asyncio.sleep(30)
    assert (len(term.began), len(term.ended)) == (2, 1)
    assert term.ended[0] < 1 + 5 + 2
    task.cancel()


async def test_a_refusal_is_raised(locks: LockRepository, memory: FaultyLocks) -> None:
    memory.faults = [Fault("claim", error=LockBackendError("obtain", "cron", "OperationFailure", 13))]
    with pytest.raises(LockBackendError, match="code 13"):
        await locks.election("cron").run(lead)


def unsupported(action: str) -> Fault:
    """Commands fail, and will do so until somebody mends that."""
    hint = "locks need another server"
    return Fault(action, error=LockBackendError(action, "cron", "OperationFailure", 303, hint), times=10**6)


async def test_what_does_not_go_away_by_itself_is_raised_at_the_start(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    memory.faults = [unsupported("claim"), unsupported("view")]
    async with asyncio.timeout(60):
        with pytest.raises(LockBackendError, match="another server"):
            await locks.election("cron").run(lead)
        with pytest.raises(LockBackendError, match="another server"):
            await anext(locks.election("cron").observe())
    assert now() == 0


@pytest.mark.parametrize("taken", [False, True])
async def test_what_does_not_go_away_by_itself_is_told_later_and_waited_for(
    locks: LockRepository,
    others: LockRepository,
    memory: FaultyLocks,
    caplog: pytest.LogCaptureFixture,
    *,
    taken: bool,
) -> None:
    """Also by one who was never elected."""
    before = await others.acquire("cron", ttl=600) if taken else None
    term = Term()
    task = asyncio.create_task(locks.election("cron", ttl=30).run(term.serve))
    await asyncio.sleep(60)
    memory.faults = [
        unsupported(action) for action in ("claim", "look", "refresh", "renew", "prolong", "ask")
    ]
    await asyncio.sleep(200)
    memory.faults = []
    if before is not None:
        await before.release()
    await asyncio.sleep(20)
    assert len(term.began) - len(term.ended) == 1
    why = "OperationFailure; locks need another server"
    assert [message for message in caplog.messages if "election" in message] == [
        f"the election 'cron': MongoDB is away ({why}); it goes on once it is back",
        "the election 'cron': MongoDB is back",
    ]
    task.cancel()


async def test_the_end_of_the_repository_is_the_end_of_a_term(
    locks: LockRepository, others: LockRepository
) -> None:
    term = Term(cleans_up=2)
    task = asyncio.create_task(locks.election("cron").run(term.serve))
    await asyncio.sleep(1)
    await locks.aclose()
    await task
    assert term.ended == [about(3)]
    assert await is_free(others)


async def test_the_end_of_the_repository_is_the_end_of_a_campaign(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await others.acquire("cron", ttl=600)
    waiter = asyncio.create_task(locks.election("cron").run(lead))
    await asyncio.sleep(1)
    await locks.aclose()
    await waiter
    assert await queue(others) == []
    memory.faults = [lost("claim", times=1000)]
    pausing = asyncio.create_task(others.election("other").run(lead))
    await asyncio.sleep(60)
    await others.aclose()
    await pausing
    assert now() < 62


async def test_eight_candidates_lead_one_after_the_other_in_order(memory: FaultyLocks) -> None:
    terms: list[int] = []

    async def stand(number: int) -> None:
        async def serve(lease: Lease) -> None:
            terms.append(number)
            await asyncio.sleep(1)
            assert lease.held

        async with LockRepository(memory, owner=number) as locks:
            await asyncio.sleep(number / 100)
            await locks.election("cron").run(serve)

    await asyncio.gather(*map(stand, range(8)))
    assert terms == list(range(8))
    assert now() == pytest.approx(8, abs=0.05)


async def test_observe_outlives_an_outage(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[tuple[float, Leader | None]] = []

    async def watch() -> None:
        async for leader in locks.election("cron").observe():
            seen.append((now(), leader))  # noqa: PERF401 - each at its moment

    task = asyncio.create_task(watch())
    await asyncio.sleep(0.5)
    memory.faults = [lost("view", times=20)]
    with caplog.at_level(logging.WARNING, "mongolock_async"):
        await others.acquire("cron", "me", ttl=600)
        await asyncio.sleep(30)
    assert [leader and leader.owner for _, leader in seen] == [None, "me"]
    reads = memory.times["view"]
    assert max(late - early for early, late in pairwise(reads)) < 1.01
    assert seen[1][0] == about(reads[21])
    assert [message.split(": ")[1][:15] for message in caplog.messages] == [
        "MongoDB is away",
        "MongoDB is back",
    ]
    task.cancel()


async def test_observe_raises_a_refusal(locks: LockRepository, memory: FaultyLocks) -> None:
    memory.faults = [Fault("view", error=LockBackendError("get", "cron", "OperationFailure", 13))]
    with pytest.raises(LockBackendError, match="code 13"):
        await anext(locks.election("cron").observe())


async def test_a_slow_observer_misses_what_has_changed_back(
    locks: LockRepository, others: LockRepository
) -> None:
    leaders = locks.election("cron").observe()
    assert await anext(leaders) is None
    async with others.election("cron", "short"):
        await asyncio.sleep(5)
    async with others.election("cron", "long"):
        began = now()
        leader = await anext(leaders)
        assert now() - began < 0.1
    assert leader is not None
    assert leader.value == "long"
    await leaders.aclose()


async def test_a_value_is_proclaimed_once_in_order(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    lease = await locks.election("cron", "first").acquire()
    memory.faults = [Fault("proclaim", delay=2)]
    late = asyncio.create_task(lease.proclaim("second"))
    await settle()
    assert await lease.proclaim("third")
    assert await late
    leader = await others.election("cron").leader()
    assert leader is not None
    assert leader.value == "third"
    assert (await look(locks)).fencing_token == lease.fencing_token
