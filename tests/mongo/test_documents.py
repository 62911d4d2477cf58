"""What is stored of a lock, for how long, and what is read of it late."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from mongo.shared import request

from mongolock_async import LockRepository
from mongolock_async._protocol import pipeline, projection

on_one = [
    pytest.mark.parametrize("uri", ["standalone"], indirect=True),
    pytest.mark.parametrize("driver", ["pymongo"], indirect=True),
]
WEEK_MS = 7 * 86_400_000


def one_server(test: Any) -> Any:
    """What the server makes of the pipeline does not depend on the driver."""
    for mark in on_one:
        test = mark(test)
    return test


@one_server
async def test_a_document_expires_when_its_last_lease_does(locks: LockRepository, collection: Any) -> None:
    lease = await locks.acquire("cron", ttl=100)
    document = await collection.find_one()
    assert document["expires_at"] == document["holders"][0]["expires"]
    assert (document["expires_at"] - document["holders"][0]["since"]).total_seconds() == 100
    await lease.release()
    assert (await collection.find_one())["expires_at"] == document["expires_at"]


@one_server
async def test_to_create_a_lock_that_is_there_changes_nothing_of_it(
    locks: LockRepository, collection: Any
) -> None:
    await locks.acquire("cron")
    before = await collection.find_one()
    await locks.create("cron")
    assert await collection.find_one() == before


@one_server
async def test_a_claim_that_is_refused_changes_nothing(locks: LockRepository, collection: Any) -> None:
    await locks._backend.claim(request("other", capacity=3, kind="semaphore"), "other.1")
    before = await collection.find_one()
    await locks._backend.claim(request(), "m.1", first=10)
    await locks._backend.claim(request(capacity=3, weight=3, kind="semaphore"), "m.2")
    assert await collection.find_one() == before


@one_server
async def test_a_served_boundary_is_remembered_for_as_long_as_it_lasts(
    locks: LockRepository, collection: Any
) -> None:
    reply = await locks._backend.claim(request().ticking(WEEK_MS, 0), "m.1")
    assert reply.grant is not None
    stored = await collection.find_one()
    assert (stored["expires_at"] - stored["boundary"]).total_seconds() * 1000 == WEEK_MS


def test_an_answer_that_comes_late_tells_the_boundary_that_was_granted(plain: Any) -> None:
    """A reply that was lost is read once more, by then perhaps after the next boundary."""
    new_year = datetime(2026, 1, 1, tzinfo=UTC)
    claim = pipeline.claim_tick(
        "s.1", owner="me", ttl_ms=60_000, period_ms=1000, after_ms=0, by="c.1", now=new_year
    )
    plain.update_one({"_id": "tick"}, claim, upsert=True)
    late = datetime(2026, 1, 1, 0, 0, 2, 500_000, tzinfo=UTC)
    answer = plain.find_one({"_id": "tick"}, projection.reply_tick("s.1", by="c.1", period_ms=1000, now=late))
    assert answer["tick"]["boundary_ms"] == new_year.timestamp() * 1000
    assert answer["tick"]["next_ms"] == 500
    assert answer["tick"]["served"] is False
