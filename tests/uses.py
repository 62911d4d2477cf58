"""Every call of a user that needs a repository which may be used."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from mongolock_async import Lease, LockRepository
from mongolock_async._api.exported import Exported

TEXT = Exported("a", f"{'0' * 16}.1", 1).text()


async def nothing() -> None:
    """What is to be done once."""


def uses(locks: LockRepository, lease: Lease) -> list[Awaitable[Any]]:
    """To be awaited, each of them."""
    return [
        locks.obtain("a"),
        locks.acquire("a"),
        locks.acquire("a", timeout=0),
        locks.get("a"),
        anext(locks.list()),
        locks.create("a"),
        locks.force_release("a"),
        locks.lock("a").__aenter__(),
        locks.__aenter__(),
        anext(locks.every(1, "a")),
        locks.once("a", nothing),
        locks.reset("a"),
        locks.adopt(TEXT),
        lease.export(),
        lease.renew(),
    ]
