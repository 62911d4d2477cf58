"""The protocol once more, in plain Python, small enough to be believed by reading it.

What ``_protocol.pipeline`` has the server compute, method for function; a test holds the two equal.
All times are whole milliseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from math import fmod

from mongolock_async._protocol.entry import PLACE_MS
from mongolock_async._protocol.kind import MUTEX, Size
from mongolock_async._protocol.request import TickRequest
from mongolock_async._settings import Owner

from .entry import Entry, is_held, later, left_of, whole
from .transition import Transition


class Document(Transition):
    """One lock, and what each command does to it."""

    def claim(
        self,
        now: int,
        lease: str,
        *,
        owner: Owner,
        ttl: int,
        by: str,
        size: Size = MUTEX,
        at_least: int | None = None,
        value: str | None = None,
    ) -> None:
        """Be granted the lock, if that fits and nobody waits."""
        entry = Entry(lease, owner, size.weight, ttl, now, now + PLACE_MS, at_least=at_least, value=value)
        self._claim(now, entry, size, by)

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
        size: Size = MUTEX,
        at_least: int | None = None,
        value: str | None = None,
    ) -> None:
        """The same, and stay in the queue if it is not granted."""
        entry = Entry(lease, owner, size.weight, ttl, now, now + PLACE_MS, first, ear)
        entry = replace(entry, at_least=at_least, value=value)
        self._claim(now, entry, size, by, wait=True)

    def claim_tick(self, now: int, lease: str, *, owner: Owner, ttl: int, tick: TickRequest, by: str) -> None:
        """Try to claim a boundary, from its moment until its end, if no later one is served.

        With a period, the one that lasts now is claimed: so many periods later.
        """
        due = tick.due_ms
        current = due if tick.period_ms is None else now - int(fmod(now - due, tick.period_ms))
        joins = (self.boundary is None or self.boundary < current) and due <= now < tick.until_ms
        entry = Entry(lease, owner, 1, ttl, now, now + PLACE_MS)
        self._claim(now, entry, MUTEX, by, joins=joins)
        if any(holder.lease == lease and holder.by == by for holder in self.holders):
            self.boundary = max(self.boundary or current, current)
            self.expires_at = max(self.expires_at or 0, current + tick.kept_ms)

    def ask(self, now: int, lease: str, *, by: str, mutex: bool = False, keeps: bool = False) -> None:
        """Refresh a place, or give its grant the whole ttl; take what dead holders have left.

        ``keeps``: the name of its grant stays taken for its ``at_least``.
        """
        self.expire(now)
        self.holders = [
            whole(entry, now, keeps=keeps) if entry.lease == lease and entry.expires > now else entry
            for entry in self.holders
        ]
        self.queue = [later(entry, now + PLACE_MS) if entry.lease == lease else entry for entry in self.queue]
        self.serve(now, lease, by, stay=True, keeps=keeps, mutex=mutex)

    def release(
        self,
        now: int,
        lease: str,
        *,
        by: str,
        token: int | None = None,
        back: Collection[str] = (),
        mutex: bool = False,
        keeps: bool = False,
    ) -> None:
        """Take the lease out of holders and queue; the places of ``back`` go to the queue's end.

        ``keeps``: if its name is to stay taken, that much is left.
        """
        self.expire(now)
        self._take_out(now, lease, token, keeps=keeps)
        self.queue.sort(key=lambda entry: entry.lease in back)
        self.grant(now, by, mutex=mutex)

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
        at_least: int | None = None,
        value: str | None = None,
    ) -> None:
        """``release`` one lease of a mutex and ``queue_up`` another, with nobody between them."""
        self.expire(now)
        joins = self._joins(waiter, MUTEX)
        self._take_out(now, lease, token)
        if joins:
            entry = Entry(waiter, owner, 1, ttl, now, now + PLACE_MS, first, ear)
            self.queue.append(replace(entry, at_least=at_least, value=value))
        self.serve(now, waiter, by, stay=True, keeps=at_least is not None, mutex=True)

    def force(self, now: int, *, by: str, token: int | None = None) -> None:
        """Take every holder out, or the one with this token."""
        self.expire(now)
        keeps = self.kind == "done"
        rest = [entry for entry in self.holders if keeps or token not in {None, entry.token}]
        self.released = by if len(rest) < len(self.holders) else self.released or ""
        self.holders = rest
        self.grant(now, by)

    def renew(self, now: int, lease: str, token: int) -> None:
        """Give the lease a new expiry. Grants nothing; what has expired stays so."""
        self.holders = [
            later(entry, now + entry.ttl) if is_held(entry, now, lease, token) else entry
            for entry in self.holders
        ]
        self.outlive(self.holders)

    def prolong(self, now: int, lease: str, token: int, *, ttl: int | None = None, number: int = 0) -> None:
        """Give the lease a new expiry; with ``ttl``, another ttl before, unless a later change came first."""
        if ttl is not None:
            self.holders = [
                replace(entry, ttl=ttl, change=number)
                if is_held(entry, now, lease, token) and number > (entry.change or 0)
                else entry
                for entry in self.holders
            ]
        self.renew(now, lease, token)

    def proclaim(self, now: int, lease: str, token: int, value: str, number: int) -> None:
        """Give the lease another value, unless a later one came first."""
        self.holders = [
            replace(entry, value=value, said=number)
            if is_held(entry, now, lease, token) and number > (entry.said or 0)
            else entry
            for entry in self.holders
        ]

    def refresh(self, now: int, lease: str) -> None:
        """Give the place a new expiry. Grants nothing; what has expired stays so."""
        self.queue = [
            later(entry, now + PLACE_MS) if entry.lease == lease and entry.expires > now else entry
            for entry in self.queue
        ]
        self.outlive(self.queue)

    def touch(self, now: int, *, by: str) -> None:
        """Change nothing but what time has changed."""
        self.expire(now)
        self.grant(now, by)

    def holds(self, now: int, lease: str, token: int) -> bool:
        """Whether the lease is held, and has not expired."""
        return any(is_held(entry, now, lease, token) for entry in self.holders)

    def queues(self, now: int, lease: str) -> bool:
        """Whether the place is in the queue, and has not expired."""
        return any(entry.lease == lease and entry.expires > now for entry in self.queue)

    def _claim(
        self, now: int, entry: Entry, size: Size, by: str, *, joins: bool = True, wait: bool = False
    ) -> None:
        self.expire(now)
        if self.is_idle and size.capacity is not None:
            self.capacity, self.kind = size.capacity, size.kind
        if joins and self._joins(entry.lease, size):
            self.queue.append(entry)
        keeps = entry.at_least is not None
        self.serve(now, entry.lease, by, stay=wait, keeps=keeps, mutex=size.mutex)

    def _joins(self, lease: str, size: Size) -> bool:
        known = any(other.lease == lease for other in self.holders + self.queue)
        wanted = self.capacity if size.capacity is None else size.capacity
        return not known and self.kind == size.kind and self.capacity == wanted >= size.weight

    def _take_out(self, now: int, lease: str, token: int | None, *, keeps: bool = False) -> None:
        ours = [entry for entry in self.holders if entry.lease == lease and token in {None, entry.token}]
        held = any(entry.expires > now or not keeps for entry in ours)
        self.released = lease if held else self.released or ""
        if keeps:
            stay = [entry for entry in self.holders if entry.lease != lease or entry.at_least is not None]
            left = [left_of(entry) if entry.lease == lease else entry for entry in stay]
            self.holders = [entry for entry in left if entry.last > now]
        self.holders = [entry for entry in self.holders if entry.lease != lease]
        self.queue = [entry for entry in self.queue if entry.lease != lease]
