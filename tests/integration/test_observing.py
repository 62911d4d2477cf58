"""What a repository says of itself."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from typing import Any

import pytest

from mongolock_async import LockRepository, LockTimeoutError
from mongolock_async._stats import Recorder
from mongolock_async.testing import Mongod

FORGETFUL = """
import asyncio, sys
from pymongo import AsyncMongoClient
from mongolock_async import LockRepository

async def main():
    client = AsyncMongoClient(sys.argv[1])
    locks = LockRepository(client.forgetful.locks)
    lease = await locks.acquire("cron", keep_alive=True)
    await client.close()

asyncio.run(main())
"""


def test_latency_is_median_and_99th_percentile() -> None:
    recorder = Recorder()
    assert recorder.latency() is None
    for number in range(2000):
        recorder.add(number)
    latency = recorder.latency()
    assert latency is not None
    assert (latency.median, latency.p99) == (1499.5, 1990)


async def test_stats_count_leases_waiters_renewals_and_losses(locks: LockRepository) -> None:
    before = locks.stats()
    assert (before.held, before.waiting, before.renewals, before.losses) == (0, 0, 0, 0)
    assert (before.obtain, before.renewal, before.hand_off) == (None, None, None)
    await locks.acquire("kept", ttl=1.2, keep_alive=True)
    lost = await locks.acquire("lost", ttl=0.3)
    waiter = asyncio.create_task(locks.acquire("kept", timeout=0.8))
    await asyncio.sleep(0.5)
    now = locks.stats()
    assert (now.held, now.waiting, now.losses) == (1, 1, 1)
    assert now.renewals >= 1
    assert now.obtain is not None
    assert now.renewal is not None
    assert 0 < now.obtain.median <= now.obtain.p99
    assert lost.lost.is_set()
    with pytest.raises(LockTimeoutError):
        await waiter
    assert locks.stats().waiting == 0


async def test_a_loss_is_one_line_in_the_log_without_the_owner(
    locks: LockRepository, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "mongolock_async"):
        lease = await locks.acquire("cron", owner="secret", ttl=0.2)
        await lease.lost.wait()
    ours = [record.getMessage() for record in caplog.records if record.name == "mongolock_async"]
    assert ours == ["lease of 'cron' is lost: expired unrenewed"]


def test_a_process_that_forgets_to_close_is_warned_and_ends_in_order(standalone: Mongod) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "default::ResourceWarning", "-c", FORGETFUL, standalone.uri],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert run.returncode == 0
    assert "ResourceWarning: unclosed <LockRepository forgetful.locks>" in run.stderr
    assert "Traceback" not in run.stderr
    assert "never retrieved" not in run.stderr


async def test_a_repository_whose_client_was_closed_closes_in_order(
    client: Any, collection: Any, uri: str
) -> None:
    closed = type(client)(uri)
    locks = LockRepository(closed[collection.database.name]["locks"])
    lease = await locks.acquire("cron", keep_alive=True)
    closing = closed.close()
    if closing is not None:
        await closing
    await locks.aclose()
    assert not lease.held


async def test_the_clock_margin_can_be_chosen(make: Any) -> None:
    lease = await make(clock_margin=4).acquire("cron", ttl=10)
    assert 5.5 < lease.remaining <= 6
    capped = await make(clock_margin=60).acquire("other", ttl=10)
    assert 4.5 < capped.remaining <= 5
