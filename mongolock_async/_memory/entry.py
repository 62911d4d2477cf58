"""What stands in a lock in memory: a holder, or a place in the queue."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mongolock_async._protocol.kind import base_of
from mongolock_async._settings import Owner


@dataclass(frozen=True, slots=True)
class Entry:
    """A holder (with a token), or a place in the queue (without).

    Without a lease id, it is what is left of a holder that was released, and whose name stays taken.
    """

    lease: str
    owner: Owner
    weight: int
    ttl: int
    since: int
    expires: int
    first: int | None = None
    ear: str | None = None
    token: int | None = None
    by: str | None = None
    change: int | None = None
    at_least: int | None = None
    keep_until: int | None = None
    base: str | None = None
    upgrade: str | None = None
    value: str | None = None
    said: int | None = None

    @property
    def last(self) -> int:
        """The last moment of a holder: when it expires, or until when its name is to stay taken."""
        return max(self.expires, self.keep_until or 0)

    def is_of(self, lease: str) -> bool:
        """Whether the holder has this lease id; of an upgrade: whether it has been upgraded so."""
        return lease != "" and lease == (self.lease if base_of(lease) is None else self.upgrade)


def is_held(entry: Entry, now: int, lease: str, token: int) -> bool:
    """Whether it is this lease, by id and token, and has not expired."""
    return entry.lease == lease and entry.token == token and entry.expires > now


def left_of(holder: Entry) -> Entry:
    """What is left of one that is released; it may be over."""
    left = Entry(
        "", holder.owner, holder.weight, holder.ttl, holder.since, holder.since + (holder.at_least or 0)
    )
    return replace(left, token=holder.token)


def upgraded(holder: Entry, upgrade: Entry) -> Entry:
    """One whose upgrade is granted weighs as much more, and keeps its token and its life."""
    if holder.lease != upgrade.base:
        return holder
    weight, ear = holder.weight + upgrade.weight, upgrade.ear or holder.ear
    return replace(holder, weight=weight, upgrade=upgrade.lease, ear=ear, by=upgrade.by)


def whole(holder: Entry, now: int, *, keeps: bool) -> Entry:
    """It lives for its whole ttl from now; ``keeps``: its name stays taken for what it asked for."""
    if keeps:
        until = None if holder.at_least is None else holder.since + holder.at_least
        # What was written once, stays.
        holder = replace(holder, keep_until=holder.keep_until if until is None else until)
    return later(holder, now + holder.ttl)


def later(entry: Entry, expires: int) -> Entry:
    """It lives until then, or as long as it would: no command shortens a life."""
    return replace(entry, expires=max(entry.expires, expires))
