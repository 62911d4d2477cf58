"""Expire, apply, grant: as ``_protocol.transition``, in plain Python."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from mongolock_async._protocol.kind import Kind
from mongolock_async._protocol.reply import Granted

from .entry import Entry, upgraded


@dataclass
class Transition:
    """What is stored of one lock, and what all commands have in common."""

    capacity: int = 1
    token: int = 0
    boundary: int | None = None
    holders: list[Entry] = field(default_factory=list)
    queue: list[Entry] = field(default_factory=list)
    released: str | None = None
    expires_at: int | None = None
    kind: Kind | None = None
    out: list[Granted] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nobody holds the lock, and nobody waits."""
        return not self.holders and not self.queue

    def serve(
        self, now: int, lease: str, by: str, *, stay: bool, keeps: bool = False, mutex: bool = False
    ) -> None:
        """Grant, for one that asks; whoever does not stay leaves the queue, if it was not served."""
        if not mutex:
            self._drop_upgrades(now)
        if stay:
            self.outlive(self.holders + self.queue, now)
        self.grant(now, by, mine=lease, keeps=keeps, mutex=mutex)
        if not stay:
            self.queue = [other for other in self.queue if other.lease != lease]

    def expire(self, now: int) -> None:
        """Drop what is over."""
        self.holders = [entry for entry in self.holders if entry.last > now]
        self.queue = [entry for entry in self.queue if entry.expires > now]

    def _drop_upgrades(self, now: int) -> None:
        """Those of leases that are over."""
        bases = {None, *(entry.lease for entry in self.holders if entry.expires > now)}
        self.queue = [entry for entry in self.queue if entry.base in bases]

    def grant(
        self, now: int, by: str, mine: str | None = None, *, keeps: bool = False, mutex: bool = False
    ) -> None:
        """Walk the queue from its front, while the weights fit the capacity."""
        lives = []
        if not mutex:
            self._drop_upgrades(now)
        capacity = 1 if mutex else self.capacity
        while self.queue:
            entry = self.queue[0]
            if sum(holder.weight for holder in self.holders) + entry.weight > capacity:
                break
            self.token = max(self.token + 1, now)
            life = entry.ttl if entry.lease == mine or entry.first is None else entry.first
            kept = keeps and entry.lease == mine and entry.at_least is not None
            until = now + (entry.at_least or 0) if kept else None
            granted = replace(entry, token=self.token, since=now, expires=now + life, keep_until=until, by=by)
            if entry.base is None:
                self.holders.append(granted)
            else:
                self.holders = [upgraded(holder, granted) for holder in self.holders]
            del self.queue[0]
            lives.append(now + max(entry.ttl, entry.at_least or 0))
        if self.expires_at is not None:
            lives.append(self.expires_at)
        self.expires_at = max(lives, default=now)

    def outlive(self, entries: list[Entry], now: int | None = None) -> None:
        """The document lives as long as these do."""
        expiries = [entry.expires for entry in entries]
        if self.expires_at is not None:
            expiries.append(self.expires_at)
        self.expires_at = max(expiries, default=now)
