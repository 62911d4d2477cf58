"""What is stored of a lock, for how long, and what is read of it late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from mongo.shared import request

from mongolock_async import LockRepository
from mongolock_async._protocol import pipeline, projection
from mongolock_async._protocol.request import NEVER_MS, TickRequest

on_one = [
    pytest.mark.parametrize("uri", ["standalone"], indirect=True),
    pytest.mark.parametrize("driver", ["pymongo"], indirect=True),
]
WEEK_MS = 7 * 86_400_000
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
NEW_YEAR_MS = int(NEW_YEAR.timestamp()) * 1000


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
    tick = TickRequest(NEW_YEAR_MS, NEVER_MS, 1000 * WEEK_MS)
    reply = await locks._backend.claim(request().ticking(tick), "m.1")
    assert reply.grant is not None
    stored = await collection.find_one()
    assert (stored["expires_at"] - stored["boundary"]).total_seconds() == WEEK_MS


def test_an_answer_that_comes_late_tells_the_time_of_its_own_and_the_boundary_that_was_granted(
    plain: Any,
) -> None:
    """A reply that was lost is read once more, by then perhaps after the next boundary."""
    tick = TickRequest(NEW_YEAR_MS - 5000, NEVER_MS, 1000, 1000)
    claim = pipeline.claim_tick("s.1", owner="me", ttl_ms=60_000, tick=tick, by="c.1", now=NEW_YEAR)
    plain.update_one({"_id": "tick"}, claim, upsert=True)
    late = NEW_YEAR + timedelta(seconds=2.5)
    answer = plain.find_one({"_id": "tick"}, projection.reply_tick("s.1", by="c.1", now=late))
    assert answer["reply"]["mine"]["left_ms"] == 57_500
    assert answer["tick"] == {"now_ms": NEW_YEAR_MS + 2500, "last_ms": NEW_YEAR_MS}
