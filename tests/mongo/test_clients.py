"""Clients that were closed, or whose server is away, or that have renewals to themselves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from mongo.shared import close
from support import CommandLog, connected

from mongolock_async import LockBackendError, LockRepository

on_standalone = pytest.mark.parametrize("uri", ["standalone"], indirect=True)
AWAY = "mongodb://127.0.0.1:1/"


@pytest.fixture
async def away(driver: str) -> AsyncIterator[Any]:
    """A client whose server is not there."""
    async with connected(driver, AWAY, serverSelectionTimeoutMS=100) as client:
        yield client


@on_standalone
async def test_a_closed_client_is_a_backend_error(client: Any, collection: Any, uri: str) -> None:
    closed = type(client)(uri)
    async with LockRepository(closed[collection.database.name]["locks"]) as locks:
        await locks.create("cron")
        await close(closed)
        with pytest.raises(LockBackendError):
            await locks.obtain("cron")


@on_standalone
async def test_a_repository_whose_client_was_closed_closes_in_order(
    client: Any, collection: Any, uri: str
) -> None:
    closed = type(client)(uri)
    locks = LockRepository(closed[collection.database.name]["locks"])
    lease = await locks.acquire("cron", keep_alive=True)
    await close(closed)
    await locks.aclose()
    assert not lease.held


async def test_a_server_that_is_away_is_a_backend_error_and_one_warning_of_the_index(
    away: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with LockRepository(away.a.locks, command_timeout=0.15) as locks:
        results = await asyncio.gather(*(locks.obtain(f"n{i}") for i in range(5)), return_exceptions=True)
    assert all(isinstance(result, LockBackendError) for result in results), results
    lines = [record.getMessage() for record in caplog.records if "no TTL index" in record.getMessage()]
    assert len(lines) == 1


@pytest.mark.parametrize("timeout", [0, 0.05])
async def test_a_server_that_is_away_is_no_lock_that_is_taken(away: Any, timeout: float) -> None:
    async with LockRepository(away.a.locks, command_timeout=0.1) as locks:
        with pytest.raises(LockBackendError):
            await locks.acquire("cron", timeout=timeout)


@on_standalone
async def test_a_client_for_the_renewals_sends_the_renewals_and_nothing_else(
    collection: Any, commands: CommandLog, uri: str
) -> None:
    renewing = CommandLog()
    async with connected("pymongo", uri, event_listeners=[renewing]) as client:
        renewals = client[collection.database.name][collection.name]
        async with LockRepository(collection, renewal_collection=renewals) as locks:
            lease = await locks.acquire("cron", keep_alive=True)
            assert await locks._member.leases._renew_batch([lease._holding], 5) == {lease._holding.id}
            assert await locks._member.leases._refresh_batch([], 5) == set()
    assert renewing.counts == {"update": 2}
    assert "update" not in commands.counts


def in_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


@on_standalone
async def test_a_kept_lease_that_is_collected_in_another_thread_is_warned_of(locks: LockRepository) -> None:
    leases = [await locks.acquire("cron", keep_alive=True)]
    assert "cron" in {holding.name for holding in locks._member.leases.keep_alive._kept.values()}
    with pytest.warns(ResourceWarning, match="'cron'"):
        in_thread(leases.clear)
    await asyncio.sleep(0)
    assert locks._member.leases.keep_alive._kept == {}


@on_standalone
async def test_what_closing_sends_is_given_up_within_its_timeout(
    collection: Any, commands: CommandLog
) -> None:
    locks = LockRepository(collection)
    _kept = await locks.acquire("cron")
    await locks.aclose(timeout=3)
    assert commands.last("findAndModify")["maxTimeMS"] <= 3000
