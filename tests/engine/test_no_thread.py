"""A thread for renewals that cannot be started."""

from __future__ import annotations

import asyncio
import threading

import pytest
from virtual import settle
from waiters import is_free, rests

from mongolock_async import LockError, LockRepository
from mongolock_async._engine.renewable import Renew
from mongolock_async._engine.renewal_thread import RenewalThread


@pytest.fixture
def _no_thread(locks: LockRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    leases = locks._member.leases
    ways: dict[str, Renew] = {
        "lease": leases._renew_batch,
        "first": leases._renew_batch,
        "place": leases._refresh_batch,
    }
    leases.keep_alive = RenewalThread(ways, locks._member.clock, leases._revived)
    monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.mark.usefixtures("_no_thread")
async def test_a_lease_that_cannot_be_kept_alive_is_given_back(
    locks: LockRepository, others: LockRepository
) -> None:
    for _ in range(2):  # the second is not renewed in silence, either
        with pytest.raises(LockError, match="does not start: can't start new thread") as caught:
            await locks.lock("cron", at_least=60).obtain(keep_alive=True)
        assert isinstance(caught.value.__cause__, RuntimeError)
        await settle()
        assert await is_free(others)
    assert locks.stats().losses == 0


@pytest.mark.usefixtures("_no_thread")
async def test_one_who_waits_and_cannot_keep_its_place_leaves(
    locks: LockRepository, others: LockRepository
) -> None:
    held = await others.acquire("cron")
    with pytest.raises(LockError, match="does not start"):
        await locks.acquire("cron")
    await settle()
    await held.release()
    assert await is_free(others)
    assert rests(locks)


@pytest.mark.usefixtures("_no_thread")
async def test_closing_waits_for_no_thread_that_never_ran(locks: LockRepository) -> None:
    with pytest.raises(LockError):
        await locks.obtain("cron", keep_alive=True)
    async with asyncio.timeout(1):
        await locks.aclose(timeout=None)
