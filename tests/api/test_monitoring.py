"""Who may listen, and what the events are."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from conftest import MakeRepository
from diary import Diary

from mongolock_async import LockRepository, monitoring
from mongolock_async.monitoring import AcquiredEvent, LockListener
from mongolock_async.testing import MemoryLocks

EVENTS = [getattr(monitoring, name) for name in monitoring.__all__ if name.endswith("Event")]


class Waits(LockListener):
    async def acquired(self, event: AcquiredEvent) -> None:  # type: ignore[override]  # what must not be
        """It would never be awaited."""


@pytest.mark.parametrize("wrong", [[object()], [Diary], 7, [Diary(), None], Diary(), "listener"])
def test_only_listeners_listen(wrong: Any) -> None:
    with pytest.raises(TypeError, match="LockListener"):
        LockRepository(MemoryLocks(), event_listeners=wrong)


def test_a_listeners_methods_are_plain_functions() -> None:
    with pytest.raises(TypeError, match=r"Waits\.acquired must be a plain function"):
        LockRepository(MemoryLocks(), event_listeners=[Waits()])


@pytest.mark.parametrize("nobody", [None, [], ()])
async def test_nobody_need_listen(make: MakeRepository, nobody: Any) -> None:
    async with make(event_listeners=nobody).lock("cron") as lease:
        assert lease.held


async def test_all_of_them_hear_all_in_their_order(make: MakeRepository) -> None:
    first, second = Diary(), Diary()
    first.told = second.told  # one diary, two writers
    async with make(event_listeners=iter([first, second, LockListener()])).lock("cron"):
        assert first.told == ["acquired"] * 2
    assert first.told == ["acquired"] * 2 + ["released"] * 2
    assert first.events[0] is second.events[0]


@pytest.mark.parametrize("event", EVENTS)
def test_events_are_frozen_and_have_slots_and_keywords(event: Any) -> None:
    assert vars(event)["__dataclass_params__"].frozen
    assert all(field.kw_only for field in dataclasses.fields(event))
    assert "__slots__" in vars(event)


def test_the_public_names_of_monitoring_are_these() -> None:
    assert monitoring.__all__ == [
        "AcquiredEvent",
        "BusyEvent",
        "CallEvent",
        "CreatedEvent",
        "FailedEvent",
        "LeaseEvent",
        "LockEvent",
        "LockListener",
        "LostEvent",
        "ReleasedEvent",
        "RenewedEvent",
        "TimedOutEvent",
        "UpgradedEvent",
        "WaitingEvent",
    ]
