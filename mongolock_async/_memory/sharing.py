"""What is done to locks that several may share, besides: another capacity, and upgrades."""

from __future__ import annotations

from dataclasses import replace

from mongolock_async._protocol.entry import PLACE_MS
from mongolock_async._protocol.kind import UPGRADABLE, WRITER, base_of
from mongolock_async._settings import Owner

from .document import Document
from .entry import Entry


def upgrade(
    document: Document,
    now: int,
    lease: str,
    *,
    owner: Owner,
    ttl: int,
    by: str,
    first: int | None = None,
    ear: str | None = None,
) -> None:
    """Have an upgradable reader weigh all of the lock, before everybody who waits."""
    document.expire(now)
    base, expires = base_of(lease), now + PLACE_MS
    entry = Entry(lease, owner, WRITER - UPGRADABLE, ttl, now, expires, first, ear, base=base)
    live = [holder for holder in document.holders if holder.expires > now]
    upgradable = any(holder.lease == base and holder.weight == UPGRADABLE for holder in live)
    if upgradable and all(place.base != base for place in document.queue):
        document.queue.insert(0, entry)
    document.serve(now, lease, by, stay=first is not None)


def downgrade(document: Document, now: int, lease: str, *, by: str) -> None:
    """Take back an upgrade, granted or not; its lease weighs what it did before."""
    document.expire(now)
    document.holders = [
        replace(holder, weight=UPGRADABLE, upgrade=None) if holder.is_of(lease) else holder
        for holder in document.holders
    ]
    document.queue = [place for place in document.queue if place.lease != lease]
    document.grant(now, by)


def resize(document: Document, now: int, capacity: int, *, by: str) -> None:
    """Give a semaphore another capacity, and a lock that nobody uses, too."""
    document.expire(now)
    if document.is_idle or document.kind == "semaphore":
        document.capacity, document.kind = capacity, "semaphore"
    document.grant(now, by)
