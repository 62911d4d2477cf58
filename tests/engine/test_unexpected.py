"""Errors that nobody has thought of: none dies unheard, and none costs a lease."""

from __future__ import annotations

import asyncio
import logging

import pytest
from faulty import Fault, FaultyLocks
from renewals import TTL, Kept, Server
from virtual import settle

from mongolock_async import LockBackendError, LockRepository
from mongolock_async._engine import keepalive
from mongolock_async._engine.background import Background
from mongolock_async._engine.retries import PERIODS


def errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert {record.name for record in errors} <= {"mongolock_async"}
    return errors


async def test_a_background_task_that_fails_leaves_one_line(
    locks: LockRepository, memory: FaultyLocks, caplog: pytest.LogCaptureFixture
) -> None:
    claim = asyncio.create_task(locks.obtain("cron"))
    memory.faults = [Fault("claim", delay=1), Fault("withdraw", error=ZeroDivisionError())]
    await asyncio.sleep(0.5)
    claim.cancel()
    await asyncio.sleep(1)
    assert [(record.name, record.getMessage()) for record in errors(caplog)] == [
        ("mongolock_async", "a task of mongolock_async failed: ZeroDivisionError")
    ]
    assert errors(caplog)[0].exc_info is not None


async def test_an_index_that_fails_unexpectedly_is_logged_and_no_claim_is_lost(
    locks: LockRepository, memory: FaultyLocks, caplog: pytest.LogCaptureFixture
) -> None:
    memory.faults = [Fault("index", error=ZeroDivisionError())]
    assert await locks.obtain("cron")
    assert await locks.obtain("another")
    assert len(errors(caplog)) == 1
    assert memory.sent["index"] == 1
    await asyncio.sleep(11)
    assert await locks.obtain("third")
    assert memory.sent["index"] == 2


async def test_an_error_of_ours_is_no_surprise(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise LockBackendError("renew", None, "NetworkTimeout")

    background = Background()
    background.spawn(fail())
    await background.drain()
    await settle()
    assert errors(caplog) == []


async def test_a_failure_of_the_renewal_loop_costs_no_lease(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server()
    lease = Kept("a")
    server.keep(lease)
    batches = server.keeper._batches
    failures = iter([ZeroDivisionError, ZeroDivisionError])

    def fail() -> object:
        if failure := next(failures, None):
            raise failure
        return batches()

    monkeypatch.setattr(server.keeper, "_batches", fail)
    await asyncio.sleep(10 * TTL)
    assert len(errors(caplog)) == 2
    assert lease.confirmed[0] == TTL / PERIODS + 2 * keepalive.AGAIN
    assert len(lease.confirmed) > 20
    await server.keeper.aclose()


async def test_a_failure_in_a_round_is_logged_and_the_others_are_renewed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Kept):
        def renewed(self, sent: float) -> None:
            raise ZeroDivisionError(sent)

    server = Server()
    broken, lease = Broken("a", ttl=30), Kept("b")
    server.keep(broken, lease)
    await asyncio.sleep(35)
    assert len(errors(caplog)) == 3
    assert len(lease.confirmed) > 30
    await server.keeper.aclose()
