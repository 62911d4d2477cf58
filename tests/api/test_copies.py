"""What belongs to one process is neither copied nor pickled."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import pytest

from mongolock_async import LockRepository, Stats

COPIES: dict[str, Callable[[Any], object]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": pickle.dumps,
    **{
        f"pickle {number}": lambda thing, number=number: pickle.dumps(thing, number)  # type: ignore[misc]
        for number in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}


@pytest.mark.parametrize("way", COPIES)
async def test_what_holds_or_takes_leases_cannot_be_copied(locks: LockRepository, way: str) -> None:
    lease = await locks.acquire("cron")
    schedule = locks.every(5, "tick")
    bound = {
        "LockRepository": locks,
        "Lock": locks.lock("cron"),
        "LockAll": locks.lock_all("cron"),
        "Election": locks.election("cron"),
        "Lease": lease,
        "Schedule": schedule,
    }
    for kind, thing in bound.items():
        with pytest.raises(TypeError, match=f"this {kind} cannot be copied or pickled: it belongs"):
            COPIES[way](thing)
    assert lease.held


async def test_nor_can_what_contains_it(locks: LockRepository) -> None:
    @dataclass
    class Service:
        locks: LockRepository

    with pytest.raises(TypeError, match="this LockRepository cannot be copied"):
        asdict(Service(locks))  # which copies deeply
    with pytest.raises(TypeError, match="this Lock cannot be copied"):
        copy.deepcopy([locks.lock("cron")])


async def test_what_was_seen_of_a_lock_can_be_copied(locks: LockRepository) -> None:
    async with locks.lock("cron"):
        info = await locks.get("cron")
    for seen in (info, locks.stats()):
        assert copy.deepcopy(seen) == pickle.loads(pickle.dumps(seen)) == seen
    assert isinstance(locks.stats(), Stats)
