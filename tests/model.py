"""The protocol once more, in plain Python, small enough to be believed by reading it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

WAITER_MS = 10_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Entry:
    """A holder (with a token), or one who waits (without)."""

    lease: str
    weight: int
    ttl: int
    since: int
    expires: int
    token: int | None = None


@dataclass
class Model:
    """One lock. Times are milliseconds since the epoch."""

    capacity: int = 1
    token: int = 0
    boundary: int | None = None
    holders: list[Entry] = field(default_factory=list)
    queue: list[Entry] = field(default_factory=list)
    granted: list[str] = field(default_factory=list)

    def claim(self, now: int, lease: str, weight: int, ttl: int, capacity: int, *, wait: bool) -> None:
        self._expire(now)
        idle = not self.holders and not self.queue
        known = any(entry.lease == lease for entry in self.holders + self.queue)
        if idle:
            self.capacity = capacity
        if not known and self.capacity == capacity:
            self.queue.append(Entry(lease, weight, ttl, now, now + WAITER_MS))
        self._grant(now, mine=lease)
        if not wait:
            self.queue = [entry for entry in self.queue if entry.lease != lease]

    def claim_tick(self, now: int, lease: str, ttl: int, period: int, after: int) -> None:
        self._expire(now)
        current = now - now % period
        if current <= after or (self.boundary is not None and current <= self.boundary):
            if not self.holders and not self.queue:
                self.capacity = 1
            self._grant(now)
            return
        before = self.token
        self.claim(now, lease, 1, ttl, 1, wait=False)
        if any(entry.lease == lease and (entry.token or 0) > before for entry in self.holders):
            self.boundary = current

    def release(self, now: int, lease: str, back: str | None = None) -> None:
        self._expire(now)
        self.holders = [entry for entry in self.holders if entry.lease != lease]
        self.queue = [entry for entry in self.queue if entry.lease != lease]
        self.queue.sort(key=lambda entry: entry.lease == back)
        self._grant(now)

    def renew(self, now: int, lease: str, mine: str | None = None) -> None:
        self._expire(now)
        self.holders = [_later(entry, lease, now + entry.ttl) for entry in self.holders]
        self.queue = [_later(entry, lease, now + WAITER_MS) for entry in self.queue]
        self._grant(now, mine)

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


def _later(entry: Entry, lease: str, expires: int) -> Entry:
    return replace(entry, expires=expires) if entry.lease == lease else entry


def date(milliseconds: int) -> datetime:
    """As the server stores it."""
    return EPOCH + timedelta(milliseconds=milliseconds)
