"""The protocol once more, in plain Python, small enough to be believed by reading it.

What ``_protocol.pipeline`` has the server compute, method for function; a test holds the two equal.
All times are whole milliseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from mongolock_async._protocol.pipeline import PLACE_MS
from mongolock_async._protocol.request import TickRequest
from mongolock_async._settings import Owner


@dataclass(frozen=True, slots=True)
class Entry:
    """A holder (with a token), or a place in the queue (without)."""

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


@dataclass
class Document:
    """One lock."""

    capacity: int = 1
    token: int = 0
    boundary: int | None = None
    holders: list[Entry] = field(default_factory=list)
    queue: list[Entry] = field(default_factory=list)
    released: str | None = None
    expires_at: int | None = None

    def claim(
        self,
        now: int,
        lease: str,
        *,
        owner: Owner,
        ttl: int,
        by: str,
        weight: int = 1,
        capacity: int = 1,
    ) -> None:
        """Be granted the lock, if that fits and nobody waits."""
        entry = Entry(lease, owner, weight, ttl, now, now + PLACE_MS)
        self._claim(now, entry, capacity, by)

    def queue_up(
        self,
        now: int,
        lease: str,
        *,
        owner: Owner,
        ttl: int,
        first: int,
        ear: str | None,
        by: str,
        weight: int = 1,
        capacity: int = 1,
    ) -> None:
        """The same, and stay in the queue if it is not granted."""
        entry = Entry(lease, owner, weight, ttl, now, now + PLACE_MS, first, ear)
        self._claim(now, entry, capacity, by, wait=True)

    def claim_tick(self, now: int, lease: str, *, owner: Owner, ttl: int, tick: TickRequest, by: str) -> None:
        """Try to claim a boundary, from its moment until its end, if no later one is served.

        With a period, the one that lasts now is claimed: so many periods later.
        """
        due = tick.due_ms
        current = due if tick.period_ms is None else now - (now - due) % tick.period_ms
        joins = (self.boundary is None or self.boundary < current) and due <= now < tick.until_ms
        entry = Entry(lease, owner, 1, ttl, now, now + PLACE_MS)
        self._claim(now, entry, 1, by, joins=joins)
        if any(holder.lease == lease and holder.by == by for holder in self.holders):
            self.boundary = current
            self.expires_at = max(self.expires_at or 0, current + tick.kept_ms)

    def ask(self, now: int, lease: str, *, by: str) -> None:
        """Refresh a place, or give its grant the whole ttl; take what dead holders have left."""
        self._expire(now)
        self.holders = [
            _later(entry, now + entry.ttl) if entry.lease == lease else entry for entry in self.holders
        ]
        self.queue = [
            _later(entry, now + PLACE_MS) if entry.lease == lease else entry for entry in self.queue
        ]
        self._grant(now, by, mine=lease)
        self._outlive(self.holders + self.queue, now)

    def release(
        self, now: int, lease: str, *, by: str, token: int | None = None, back: Collection[str] = ()
    ) -> None:
        """Take the lease out of holders and queue; the places of ``back`` go to the queue's end."""
        self._expire(now)
        self._take_out(lease, token)
        self.queue.sort(key=lambda entry: entry.lease in back)
        self._grant(now, by)

    def hand_over(
        self,
        now: int,
        lease: str,
        waiter: str,
        *,
        token: int,
        owner: Owner,
        ttl: int,
        first: int,
        ear: str | None,
        by: str,
        weight: int = 1,
        capacity: int = 1,
    ) -> None:
        """``release`` one lease and ``queue_up`` another, with nobody between them."""
        self._expire(now)
        joins = self._joins(waiter, capacity)
        self._take_out(lease, token)
        if joins:
            self.queue.append(Entry(waiter, owner, weight, ttl, now, now + PLACE_MS, first, ear))
        self._outlive(self.holders + self.queue, now)
        self._grant(now, by, mine=waiter)

    def force(self, now: int, *, by: str, token: int | None = None) -> None:
        """Take every holder out, or the one with this token."""
        self._expire(now)
        rest = [] if token is None else [entry for entry in self.holders if entry.token != token]
        self.released = by if len(rest) < len(self.holders) else self.released or ""
        self.holders = rest
        self._grant(now, by)

    def renew(self, now: int, lease: str, token: int) -> None:
        """Give the lease a new expiry. Grants nothing; what has expired stays so."""
        self.holders = [
            _later(entry, now + entry.ttl) if _is_held(entry, now, lease, token) else entry
            for entry in self.holders
        ]
        self._outlive(self.holders)

    def prolong(self, now: int, lease: str, token: int, *, ttl: int | None = None, number: int = 0) -> None:
        """Give the lease a new expiry; with ``ttl``, another ttl before, unless a later change came first."""
        if ttl is not None:
            self.holders = [
                replace(entry, ttl=ttl, change=number)
                if _is_held(entry, now, lease, token) and number > (entry.change or 0)
                else entry
                for entry in self.holders
            ]
        self.renew(now, lease, token)

    def refresh(self, now: int, lease: str) -> None:
        """Give the place a new expiry. Grants nothing; what has expired stays so."""
        self.queue = [
            _later(entry, now + PLACE_MS) if entry.lease == lease and entry.expires > now else entry
            for entry in self.queue
        ]
        self._outlive(self.queue)

    def touch(self, now: int, *, by: str) -> None:
        """Change nothing but what time has changed."""
        self._expire(now)
        self._grant(now, by)

    def holds(self, now: int, lease: str, token: int) -> bool:
        """Whether the lease is held, and has not expired."""
        return any(_is_held(entry, now, lease, token) for entry in self.holders)

    def queues(self, now: int, lease: str) -> bool:
        """Whether the place is in the queue, and has not expired."""
        return any(entry.lease == lease and entry.expires > now for entry in self.queue)

    def _claim(
        self, now: int, entry: Entry, capacity: int, by: str, *, joins: bool = True, wait: bool = False
    ) -> None:
        self._expire(now)
        if not self.holders and not self.queue:
            self.capacity = capacity
        if joins and self._joins(entry.lease, capacity):
            self.queue.append(entry)
        if wait:
            self._outlive(self.holders + self.queue, now)
        self._grant(now, by, mine=entry.lease)
        if not wait:
            self.queue = [other for other in self.queue if other.lease != entry.lease]

    def _joins(self, lease: str, capacity: int) -> bool:
        known = any(other.lease == lease for other in self.holders + self.queue)
        idle = not self.holders and not self.queue
        return not known and (idle or self.capacity == capacity)

    def _take_out(self, lease: str, token: int | None) -> None:
        held = any(entry.lease == lease and token in {None, entry.token} for entry in self.holders)
        self.released = lease if held else self.released or ""
        self.holders = [entry for entry in self.holders if entry.lease != lease]
        self.queue = [entry for entry in self.queue if entry.lease != lease]

    def _expire(self, now: int) -> None:
        self.holders = [entry for entry in self.holders if entry.expires > now]
        self.queue = [entry for entry in self.queue if entry.expires > now]

    def _grant(self, now: int, by: str, mine: str | None = None) -> None:
        lives = []
        while self.queue:
            entry = self.queue[0]
            if sum(holder.weight for holder in self.holders) + entry.weight > self.capacity:
                break
            self.token = max(self.token + 1, now)
            life = entry.ttl if entry.lease == mine or entry.first is None else entry.first
            self.holders.append(replace(entry, token=self.token, since=now, expires=now + life, by=by))
            del self.queue[0]
            lives.append(now + entry.ttl)
        if self.expires_at is not None:
            lives.append(self.expires_at)
        self.expires_at = max(lives, default=now)

    def _outlive(self, entries: list[Entry], now: int | None = None) -> None:
        """The document lives as long as these do."""
        expiries = [entry.expires for entry in entries]
        if self.expires_at is not None:
            expiries.append(self.expires_at)
        self.expires_at = max(expiries, default=now)


def _is_held(entry: Entry, now: int, lease: str, token: int) -> bool:
    return entry.lease == lease and entry.token == token and entry.expires > now


def _later(entry: Entry, expires: int) -> Entry:
    """It lives until then, or as long as it would: no command shortens a life."""
    return replace(entry, expires=max(entry.expires, expires))
