"""Claims, renewals and releases whose answers are lost or late."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest
from conftest import MakeRepository
from faulty import Fault, FaultyLocks, lost, unanswered
from virtual import settle
from waiters import about, is_free, look, now, rests

from mongolock_async import Lease, LeaseLostError, LockBackendError, LockRepository

MakeFault = Callable[[str], Fault]
Claim = Callable[[LockRepository], Awaitable[Lease | None]]

# Leases live 30 s, of which the last one is the margin, and are renewed at 10, 20, ... s.


async def obtain(locks: LockRepository) -> Lease | None:
    return await locks.obtain("cron", ttl=30)


async def acquire(locks: LockRepository) -> Lease | None:
    return await locks.acquire("cron", ttl=30)


claims = pytest.mark.parametrize("claim", [obtain, acquire])


@claims
@pytest.mark.parametrize("fails", [lost, unanswered])
async def test_a_claim_without_an_answer_is_withdrawn(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, claim: Claim, fails: MakeFault
) -> None:
    memory.faults = [fails("claim")]
    with pytest.raises(LockBackendError):
        await claim(locks)
    await settle()
    assert rests(locks)
    assert memory.sent["withdraw"] > 0
    await others.create("cron")
    info = await look(others)
    assert (info.held, info.queue) == (False, ())
    assert (info.fencing_token > 0) == (fails is unanswered)


async def test_a_claim_that_cannot_be_withdrawn_expires_by_itself(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, caplog: pytest.LogCaptureFixture
) -> None:
    memory.faults = [unanswered("claim"), lost("withdraw")]
    with caplog.at_level(logging.WARNING, "mongolock_async"), pytest.raises(LockBackendError):
        await locks.obtain("cron", owner="secret", ttl=30)
    await asyncio.sleep(29.9)
    assert await others.obtain("cron") is None
    assert "a lease of 'cron' was not withdrawn; it expires by itself" in caplog.text
    assert "secret" not in caplog.text
    await asyncio.sleep(0.1)
    assert await others.obtain("cron") is not None


@claims
@pytest.mark.parametrize("answer", [False, True])
async def test_an_answer_slower_than_half_the_ttl_is_confirmed_before_it_is_believed(
    locks: LockRepository, memory: FaultyLocks, claim: Claim, *, answer: bool
) -> None:
    memory.faults = [Fault("claim", delay=16, answer=answer)]
    lease = await claim(locks)
    assert lease is not None
    assert (memory.sent["claim"], memory.times["ask"]) == (1, [16])
    assert lease.remaining == about(29)


async def test_an_answer_within_half_the_ttl_is_believed(locks: LockRepository, memory: FaultyLocks) -> None:
    memory.faults = [Fault("claim", delay=15, answer=True)]
    lease = await locks.acquire("cron", ttl=30)
    assert lease.remaining == about(14)
    assert memory.sent["ask"] == 0


async def test_a_confirmation_without_an_answer_withdraws_the_claim(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    memory.faults = [Fault("claim", delay=16, answer=True), lost("ask")]
    with pytest.raises(LockBackendError):
        await locks.obtain("cron", ttl=30)
    await settle()
    assert await is_free(others)


@claims
async def test_a_confirmation_slower_than_the_ttl_is_a_lost_lease(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, claim: Claim
) -> None:
    memory.faults = [Fault("claim", delay=16), Fault("ask", delay=29.5)]
    with pytest.raises(LeaseLostError, match="longer than the ttl"):
        await claim(locks)
    assert now() == 16 + 29.5
    await settle()
    assert await is_free(others)
    assert rests(locks)


async def obtain_slowly(locks: LockRepository) -> Lease | None:
    return await locks.obtain("cron", ttl=0.6)


async def acquire_slowly(locks: LockRepository) -> Lease | None:
    return await locks.acquire("cron", ttl=0.6, timeout=0)


@pytest.mark.parametrize("claim", [obtain_slowly, acquire_slowly])
async def test_a_claim_that_was_answered_after_its_ttl_is_a_lost_lease(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, claim: Claim
) -> None:
    memory.faults = [Fault("claim", delay=0.7, answer=True)]
    with pytest.raises(LeaseLostError, match="the answer took longer than the ttl") as caught:
        await claim(locks)
    assert caught.value.fencing_token == (await look(others)).fencing_token
    assert await is_free(others)
    assert rests(locks)


async def test_a_claim_that_was_answered_after_its_ttl_is_none_where_somebody_else_has_it_by_then(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    memory.faults = [Fault("claim", delay=0.9, answer=True)]
    late = asyncio.create_task(locks.obtain("cron", ttl=0.6))
    await asyncio.sleep(0.7)
    assert await others.obtain("cron") is not None
    assert await late is None


async def test_a_boundary_that_was_granted_too_late_is_lost_and_the_next_one_is_not(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    async with aclosing(locks.every(1, "cron", ttl=0.2)) as ticks:
        assert await anext(ticks) is not None
        memory.faults = [Fault("claim", delay=0.3, answer=True)]
        assert await anext(ticks) is None
        assert await anext(ticks) is not None


async def test_one_who_waits_claims_again_where_the_answer_came_after_the_ttl(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    memory.faults = [Fault("claim", delay=31, answer=True)]
    lease = await locks.acquire("cron", ttl=30)
    assert lease.remaining == about(29)
    assert memory.times["claim"] == [0, 31]
    await settle()
    assert [holder.fencing_token for holder in (await look(locks)).holders] == [lease.fencing_token]


async def test_a_renewal_that_was_answered_too_late_is_given_back(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    lease = await locks.acquire("cron", ttl=30)
    await asyncio.sleep(20)
    memory.faults = [Fault("prolong", delay=9.5, answer=True)]
    assert await lease.renew() is False
    assert lease.lost.is_set()
    await settle()
    assert await is_free(others)


async def test_a_renewal_without_an_answer_leaves_the_deadline_what_it_was(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await locks.acquire("cron", ttl=30)
    memory.faults = [unanswered("prolong", delay=5)]
    with pytest.raises(LockBackendError):
        await lease.renew()
    assert lease.remaining == about(24)


async def test_a_lease_that_is_renewed_when_it_is_over_here_is_given_back(
    make: MakeRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    lease = await make(clock_margin=10).acquire("cron", ttl=30, keep_alive=True)
    # Two renewals are lost. The third is sent at 17.5 s, and arrives when the lease is over for us alone.
    memory.faults = [lost("renew", times=2), Fault("renew", delay=4)]
    await lease.lost.wait()
    assert now() == about(20)
    await asyncio.sleep(1)
    assert not await is_free(others)
    await asyncio.sleep(0.51)
    assert await is_free(others)
    assert memory.times["renew"] == [10, 12.5, 17.5]


async def test_a_release_during_a_renewal_still_says_that_the_lease_was_ours(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    lease = await locks.acquire("cron", ttl=30, keep_alive=True)
    # The renewal is answered while the release is held up: nobody else may give the lease back meanwhile.
    memory.faults = [Fault("renew", delay=2), Fault("release", delay=3)]
    await asyncio.sleep(11)
    assert await lease.release() is True
    assert now() == 14
    assert memory.sent["withdraw"] == 0
    assert await is_free(others)


@pytest.mark.parametrize("fails", [lost, unanswered])
async def test_a_release_that_failed_can_be_tried_again(
    locks: LockRepository, memory: FaultyLocks, fails: MakeFault
) -> None:
    lease = await locks.acquire("cron", ttl=30)
    memory.faults = [fails("release")]
    with pytest.raises(LockBackendError):
        await lease.release()
    assert not lease.held
    assert await lease.release() is True
    assert await is_free(locks)


async def test_a_release_tried_again_late_frees_nobody(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    late = await locks.acquire("cron", ttl=30)
    memory.faults = [lost("release")]
    with pytest.raises(LockBackendError):
        await late.release()
    successor = await others.acquire("cron")
    assert await late.release() is False
    assert await successor.release() is True


async def test_a_lease_whose_release_failed_is_not_renewed(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await locks.acquire("cron", ttl=30, keep_alive=True)
    memory.faults = [lost("release")]
    with pytest.raises(LockBackendError):
        await lease.release()
    await asyncio.sleep(60)
    assert memory.sent["renew"] == 0
    assert not lease.lost.is_set()
    assert await is_free(locks)


async def test_a_release_of_which_the_server_cannot_tell_says_what_is_known_here(
    locks: LockRepository, memory: FaultyLocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unknown(*_: object, **__: object) -> tuple[None, None]:
        """As where the command was sent twice, and the first one may have released it."""
        return None, None

    held, late = await locks.acquire("held", ttl=30), await locks.acquire("late", ttl=5)
    again, forced = await locks.acquire("again", ttl=30), await locks.acquire("forced", ttl=30)
    await late.lost.wait()
    await locks.force_release("forced")
    assert await forced.renew() is False
    memory.faults = [lost("release")]
    with pytest.raises(LockBackendError):
        await again.release()
    monkeypatch.setattr(locks._member._backend, "release", unknown)
    assert await held.release() is True
    assert await late.release() is False
    assert await again.release() is True  # it was, when it was let go
    assert await forced.release() is False
