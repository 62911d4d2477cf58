"""Listeners that do harm, and the want of any."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from typing import Any

import pytest
from conftest import MakeRepository
from diary import Diary
from faulty import FaultyLocks
from virtual import settle

from mongolock_async import LeaseLostError, LockRepository, LockTimeoutError, monitoring
from mongolock_async._engine import told
from mongolock_async._engine.story import UNTOLD
from mongolock_async.monitoring import LockEvent, LockListener

METHODS = [
    "created",
    "waiting",
    "acquired",
    "upgraded",
    "busy",
    "timed_out",
    "failed",
    "renewed",
    "released",
    "lost",
]


# Nothing is told by these themselves.
BASES = {"LockEvent", "CallEvent", "LeaseEvent"}


class Harmful(LockListener):
    """Does this in every method."""

    def __init__(self, harm: Any) -> None:
        self.done: set[str] = set()
        for method in METHODS:
            setattr(self, method, self._doing(method, harm))

    def _doing(self, method: str, harm: Any) -> Any:
        def do(event: LockEvent) -> None:
            del event
            self.done.add(method)
            harm()

        return do


def raise_error() -> None:
    raise ZeroDivisionError


def raise_cancelled() -> None:
    raise asyncio.CancelledError


async def everything(locks: LockRepository, others: LockRepository) -> None:
    """Have each method called."""
    async with locks.lock("cron", ttl=9):
        await asyncio.sleep(4)
        assert await locks.obtain("cron") is None
        with pytest.raises(LockTimeoutError):
            await locks.acquire("cron", timeout=1)
        waiter = asyncio.create_task(locks.acquire("cron"))
        await settle()
        waiter.cancel()
        await asyncio.wait([waiter])
        assert waiter.cancelled()
    async with locks.rwlock("cfg").upgradable() as lease:
        await lease.upgrade()
    with pytest.raises(LeaseLostError):
        async with locks.lock("cron", ttl=9):
            await others.force_release("cron")
            await asyncio.sleep(9)


@pytest.mark.parametrize("harm", [raise_error, raise_cancelled])
async def test_what_a_listener_raises_harms_nobody(
    make: MakeRepository, others: LockRepository, caplog: pytest.LogCaptureFixture, harm: Any
) -> None:
    harmful, diary = Harmful(harm), Diary()
    await everything(make(event_listeners=[harmful, diary]), others)
    assert harmful.done == set(METHODS)
    assert set(diary.told) == set(METHODS) - {"created"}
    line = next(record for record in caplog.records if "listener" in record.message)
    assert (line.name, line.levelno) == ("mongolock_async", logging.ERROR)
    assert line.message == "the event listener Harmful.created failed"
    assert line.exc_info is not None


async def test_a_listener_that_cancels_the_current_task_stops_no_work_of_ours(
    make: MakeRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    def cancel() -> None:
        if (task := asyncio.current_task()) is not None and task is not mine:
            task.cancel()

    mine = asyncio.current_task()
    harmful = Harmful(cancel)
    locks = make(event_listeners=[harmful])
    lease = await locks.acquire("cron", ttl=9, keep_alive=True)
    await asyncio.sleep(20)
    assert lease.held
    assert await lease.renew()
    assert await lease.release() is True
    lease = await locks.acquire("cron", ttl=9, keep_alive=True)
    await others.force_release("cron")
    await asyncio.sleep(4)
    assert lease.lost.is_set()
    lease = await locks.acquire("cron", ttl=9)
    await others.force_release("cron")
    assert await lease.renew() is False
    assert harmful.done == {"acquired", "renewed", "released", "lost"}
    assert memory.sent["renew"] == 7


async def test_the_log_has_a_line_a_second_of_listeners_that_fail(
    make: MakeRepository, caplog: pytest.LogCaptureFixture
) -> None:
    locks = make(event_listeners=[Harmful(raise_error)])
    for _ in range(5):
        await locks.obtain("cron")  # had once, and then busy
        await asyncio.sleep(0.3)
    lines = [record.message for record in caplog.records if "listener" in record.message]
    assert lines == [
        "the event listener Harmful.acquired failed",
        "the event listener Harmful.busy failed (and 3 times since the last line)",
    ]


@pytest.mark.parametrize("way", ["released", "lost", "exported"])
async def test_a_lease_that_is_over_needs_no_garbage_collector(
    make: MakeRepository, others: LockRepository, way: str
) -> None:
    locks = make(event_listeners=[LockListener()])
    lease = await locks.acquire("cron", ttl=9, keep_alive=True)
    holding = weakref.ref(lease._holding)
    gc.disable()
    try:
        if way == "lost":
            await others.force_release("cron")
            await asyncio.sleep(4)
        else:
            await (lease.export() if way == "exported" else lease.release())
        del lease
        await asyncio.sleep(1)
        assert holding() is None
    finally:
        gc.enable()


def noting(init: Any, name: str, made: list[str]) -> Any:
    def noted(self: object, *arguments: Any, **options: Any) -> None:
        made.append(name)
        init(self, *arguments, **options)

    return noted


async def test_where_nobody_listens_no_event_and_no_story_is_made(
    make: MakeRepository, others: LockRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    events = [getattr(monitoring, name) for name in monitoring.__all__ if name.endswith("Event")]
    for kind in (told.ToldCall, told.ToldLease, *events):
        monkeypatch.setattr(kind, "__init__", noting(kind.__init__, kind.__name__, made))
    locks = make()
    await everything(locks, others)
    assert made == []
    assert (await locks.acquire("cron"))._holding.story is UNTOLD
    await everything(make(event_listeners=[LockListener()]), make())
    assert set(made) == {kind.__name__ for kind in (told.ToldCall, told.ToldLease, *events)} - BASES


async def test_a_call_that_nobody_listens_to_is_awaited_as_it_is() -> None:
    async def call() -> int:
        return 7

    coroutine = call()
    assert told.UNTOLD.of(coroutine) is coroutine
    assert await coroutine == 7
