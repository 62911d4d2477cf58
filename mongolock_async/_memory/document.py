"""The protocol once more, in plain Python, small enough to be believed by reading it.

What ``_protocol.pipeline`` has the server compute, method for function; a test holds the two equal.
All times are whole milliseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from mongolock_async._protocol.pipeline import PLACE_MS
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
    token: int | None = None


@dataclass
class Document:
    """One lock."""

    capacity: int = 1
    token: int = 0
    boundary: int | None = None
    holders: list[Entry] = field(default_factory=list)
    queue: list[Entry] = field(default_factory=list)
    granted: list[str] = field(default_factory=list)
    expires_at: int | None = None

    def claim(
        self,
        now: int,
        lease: str,
        *,
        owner: Owner,
        ttl: int,
        weight: int = 1,
        capacity: int = 1,
        wait: bool = False,
    ) -> None:
        """Queue up and be granted what fits; without ``wait``, leave the queue again if it does not."""
        entry = Entry(lease, owner, weight, ttl, now, now + PLACE_MS)
        self._claim(now, entry, capacity, joins=True, wait=wait)

    def claim_tick(self, now: int, lease: str, *, owner: Owner, ttl: int, period: int, after: int) -> None:
        """Try to claim the current boundary, if it is later than ``after`` and nobody had it yet."""
        current = now - now % period
        joins = current > after and (self.boundary is None or current > self.boundary)
        last = self.token
        entry = Entry(lease, owner, 1, ttl, now, now + PLACE_MS)
        self._claim(now, entry, 1, joins=joins, wait=False)
        if any(holder.lease == lease and (holder.token or 0) > last for holder in self.holders):
            self.boundary = current
            self.expires_at = max(self.expires_at or 0, current + period)

    def release(self, now: int, lease: str, back: Collection[str] = ()) -> None:
        """Take the lease out of holders and queue; the places of ``back`` go to the queue's end."""
        self._expire(now)
        self.holders = [entry for entry in self.holders if entry.lease != lease]
        self.queue = [entry for entry in self.queue if entry.lease != lease]
        self.queue.sort(key=lambda entry: entry.lease in back)
        self._grant(now)
        self._outlive(now)

    def release_all(self, now: int) -> None:
        """Take every holder out."""
        self._expire(now)
        self.holders = []
        self._grant(now)
        self._outlive(now)

    def renew(self, now: int, lease: str, mine: str | None = None) -> None:
        """Give the lease, or its place in the queue, a new expiry; what has expired stays so."""
        self._expire(now)
        self.holders = [_later(entry, lease, now + entry.ttl) for entry in self.holders]
        self.queue = [_later(entry, lease, now + PLACE_MS) for entry in self.queue]
        self._grant(now, mine)
        self._outlive(now)

    def touch(self, now: int) -> None:
        """Change nothing but what time has changed."""
        self._expire(now)
        self._grant(now)
        self._outlive(now)

    def stands(self, now: int, lease: str) -> bool:
        """Whether the lease is held, or in the queue, and has not expired."""
        return any(entry.lease == lease and entry.expires > now for entry in self.holders + self.queue)

    def _claim(self, now: int, entry: Entry, capacity: int, *, joins: bool, wait: bool) -> None:
        self._expire(now)
        if not self.holders and not self.queue:
            self.capacity = capacity
        known = any(other.lease == entry.lease for other in self.holders + self.queue)
        if joins and not known and self.capacity == capacity:
            self.queue.append(entry)
        self._grant(now, mine=entry.lease)
        if not wait:
            self.queue = [other for other in self.queue if other.lease != entry.lease]
        self._outlive(now)

    def _expire(self, now: int) -> None:
        self.holders = [entry for entry in self.holders if entry.expires > now]
        self.queue = [entry for entry in self.queue if entry.expires > now]

    def _grant(self, now: int, mine: str | None = None) -> None:
        called = []
        while self.queue:
            first = self.queue[0]
            if sum(entry.weight for entry in self.holders) + first.weight > self.capacity:
                break
            self.token = max(self.token + 1, now)
            self.holders.append(replace(first, token=self.token, since=now, expires=now + first.ttl))
            del self.queue[0]
            if first.lease != mine:
                called.append(first.lease)
        if called:
            self.granted = called

    def _outlive(self, now: int) -> None:
        expiries = [entry.expires for entry in self.holders + self.queue]
        if self.expires_at is not None:
            expiries.append(self.expires_at)
        self.expires_at = max(expiries, default=now)


def _later(entry: Entry, lease: str, expires: int) -> Entry:
    return replace(entry, expires=expires) if entry.lease == lease else entry
