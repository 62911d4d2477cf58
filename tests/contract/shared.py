"""What the tests of the contract have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from mongolock_async._engine.backend import Backend
from mongolock_async._protocol.reply import Person, Reply, View
from mongolock_async._protocol.request import Request
from mongolock_async._settings import Owner

# Lets so many seconds pass for all locks.
Later = Callable[[float], Awaitable[None]]

TTL = 30.0


def request(owner: Owner = "me", name: str = "cron", **options: Any) -> Request:
    """A claim of the lock; for 30 s, unless it says otherwise."""
    options.setdefault("kind", "mutex" if options.get("capacity", 1) == 1 else "semaphore")
    return Request(name, owner, options.pop("ttl", TTL), **options)


async def held(backend: Backend, lease: str = "m.1", **options: Any) -> int:
    """Claim the lock, and be granted it; the token."""
    reply = await backend.claim(request(**options), lease)
    assert reply.grant is not None
    return reply.grant.fencing_token


async def waits(backend: Backend, *leases: str, first: float = TTL, **options: Any) -> None:
    """Have these stand in the queue, each as an owner of its own name."""
    for lease in leases:
        reply = await backend.claim(request(lease, **options), lease, first=first)
        assert reply.place is not None


async def seen(backend: Backend, name: str = "cron") -> View:
    """The lock, as it shows itself."""
    view = await backend.view(name)
    assert view is not None
    return view


async def holders(backend: Backend) -> list[Owner]:
    """Whose the lock is."""
    return [person["owner"] for person in (await seen(backend))["holders"]]


async def queue(backend: Backend) -> list[Owner]:
    """Who waits for it."""
    return [person["owner"] for person in (await seen(backend))["queue"]]


async def listed(backend: Backend, prefix: str = "", *, held: bool = False) -> list[tuple[str, View]]:
    """All locks whose names begin so, by as many pages as it takes."""
    found, after = await backend.page(prefix, held=held)
    while after is not None:
        page, after = await backend.page(prefix, after, held=held)
        found += page
    return found


def lives(people: Sequence[Person]) -> list[tuple[Owner, int, float]]:
    """Owner, weight, and the seconds from beginning to end, which do not depend on when it is asked."""
    return [
        (person["owner"], person["weight"], (person["age_ms"] + person["left_ms"]) / 1000)
        for person in people
    ]


def granted(reply: Reply | None) -> list[str]:
    """Whom the command has granted besides."""
    assert reply is not None
    return [one["lease"] for one in reply.granted]


def token(reply: Reply | None) -> int | None:
    """What this lease was granted."""
    return None if reply is None or reply.grant is None else reply.grant.fencing_token
