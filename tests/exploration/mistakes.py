"""Commands that are wrong, on a document in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mongolock_async._memory import adoption, once, sharing
from mongolock_async._memory.document import Document
from mongolock_async._memory.entry import Entry, left_of
from mongolock_async._protocol.kind import base_of
from mongolock_async._protocol.once import NEVER_MS

from .world import TICK, TTL


class ByName(Document):
    """A release frees the lock, whoever holds it."""

    def release(self, now: int, lease: str, **options: Any) -> None:
        self.holders = []
        super().release(now, lease, **options)


class Reviving(Document):
    """A renewal writes the lease again if it is gone."""

    def renew(self, now: int, lease: str, token: int) -> None:
        super().renew(now, lease, token)
        if not self.holds(now, lease, token):
            self.holders.append(Entry(lease, "", 1, TTL * TICK, now, now + TTL * TICK, token=token))


class Shortening(Document):
    """A renewal gives a new expiry, be it earlier."""

    def renew(self, now: int, lease: str, token: int) -> None:
        self.holders = [
            replace(entry, expires=now + entry.ttl)
            if (entry.lease, entry.token) == (lease, token) and entry.expires > now
            else entry
            for entry in self.holders
        ]


class Silent(Document):
    """A renewal grants, as the other commands do; but its answer does not say whom."""

    def renew(self, now: int, lease: str, token: int) -> None:
        super().renew(now, lease, token)
        self.touch(now, by="")


class Prolonging(Document):
    """A refresh is a renewal of whatever has that lease id."""

    def refresh(self, now: int, lease: str) -> None:
        super().refresh(now, lease)
        for holder in [holder for holder in self.holders if holder.lease == lease]:
            self.renew(now, lease, holder.token or 0)


class Counting(Document):
    """A token is the last one and 1."""

    def grant(
        self, now: int, by: str, mine: str | None = None, *, keeps: bool = False, mutex: bool = False
    ) -> None:
        last, known = self.token, {entry.lease for entry in self.holders}
        super().grant(now, by, mine, keeps=keeps, mutex=mutex)
        fresh = [entry.lease for entry in self.holders if entry.lease not in known]
        self.holders = [
            replace(entry, token=last + 1 + fresh.index(entry.lease)) if entry.lease in fresh else entry
            for entry in self.holders
        ]
        self.token = last + len(fresh)


class Overtaking(Document):
    """A claim takes a free lock, whoever waits."""

    def queue_up(self, now: int, lease: str, **options: Any) -> None:
        self.expire(now)
        before = [entry for entry in self.queue if entry.lease != lease]
        self.queue = [entry for entry in self.queue if entry.lease == lease]
        super().queue_up(now, lease, **options)
        self.queue = before + self.queue


class NotHandingOver(Document):
    """A release leaves the lock free, and those who wait to find out."""

    def release(self, now: int, lease: str, **options: Any) -> None:
        queue = [entry for entry in self.queue if entry.lease != lease and entry.expires > now]
        self.queue = []
        super().release(now, lease, **options)
        self.queue = queue


class Eternal(Document):
    """A lease ends by release alone."""

    def expire(self, now: int) -> None:
        self.queue = [entry for entry in self.queue if entry.expires > now]


class Skipping(Document):
    """Whoever fits is granted the lock, also behind one that does not."""

    def grant(
        self, now: int, by: str, mine: str | None = None, *, keeps: bool = False, mutex: bool = False
    ) -> None:
        room = self.capacity - sum(holder.weight for holder in self.holders)
        self.queue.sort(key=lambda entry: entry.weight > room)
        super().grant(now, by, mine, keeps=keeps, mutex=mutex)


class OneByOne(Document):
    """A command grants the lock to one, and leaves the rest to those who ask."""

    def grant(
        self, now: int, by: str, mine: str | None = None, *, keeps: bool = False, mutex: bool = False
    ) -> None:
        rest = self.queue[1:]
        self.queue = self.queue[:1]
        super().grant(now, by, mine, keeps=keeps, mutex=mutex)
        self.queue += rest


def upgrade_at_the_end(document: Document, now: int, lease: str, **options: Any) -> None:
    """It waits for all who came before it."""
    sharing.upgrade(document, now, lease, **options)
    document.queue.sort(key=lambda place: place.base is not None)


def upgrade_for_itself(document: Document, now: int, lease: str, **options: Any) -> None:
    """It is a place like any other, and knows of no lease."""
    sharing.upgrade(document, now, lease, **options)
    document.queue = [replace(place, base=None) for place in document.queue]


def upgrade_beside_readers(document: Document, now: int, lease: str, **options: Any) -> None:
    """It is granted at once."""
    others = [holder for holder in document.holders if holder.lease != base_of(lease)]
    document.holders = [holder for holder in document.holders if holder.lease == base_of(lease)]
    sharing.upgrade(document, now, lease, **options)
    document.holders += others


def upgrade_once_more(document: Document, now: int, lease: str, **options: Any) -> None:
    """A repetition stands in the queue besides."""
    before, document.queue = document.queue, []
    sharing.upgrade(document, now, lease, **options)
    document.queue += before


def downgrade_by_lease(document: Document, now: int, lease: str, *, by: str) -> None:
    """Whatever upgrade the lease has is taken back."""
    for holder in [holder for holder in document.holders if holder.lease == base_of(lease)]:
        sharing.downgrade(document, now, holder.upgrade or lease, by=by)


class Remembering(Document):
    """Whoever grants goes by the capacity that it was made with."""

    def grant(
        self, now: int, by: str, mine: str | None = None, *, keeps: bool = False, mutex: bool = False
    ) -> None:
        capacity, self.capacity = self.capacity, 2
        super().grant(now, by, mine, keeps=keeps, mutex=mutex)
        self.capacity = capacity


def resize_at_once(document: Document, now: int, capacity: int, *, by: str) -> None:
    """Those who came last are out."""
    document.holders = document.holders[:capacity]
    sharing.resize(document, now, capacity, by=by)


class Freeing(Document):
    """A release frees the lock, for however long its name was to stay taken."""

    def release(self, now: int, lease: str, *, keeps: bool = False, **options: Any) -> None:
        del keeps
        super().release(now, lease, **options)


class TakenForDone(Document):
    """Of whoever is heard no more, the work has come to its end."""

    def expire(self, now: int) -> None:
        over = [holder for holder in self.holders if holder.last <= now]
        super().expire(now)
        if over and self.kind == "once":
            self.holders, self.queue = [replace(left_of(over[0]), expires=NEVER_MS)], []
            self.kind = "done"


def finish_for_anybody(document: Document, now: int, lease: str, token: int, *, by: str) -> None:
    """It is done, whether or not this lease is live."""
    document.holders = [Entry(lease, "", 1, TTL * TICK, now, now + 1, token=token)]
    once.finish(document, now, lease, token, by=by)


def finish_silently(document: Document, now: int, lease: str, token: int, *, by: str) -> None:
    """Those who wait are taken out of the queue, and nobody knows of them."""
    once.finish(document, now, lease, token, by=by)
    document.out = []


def adopt_by_token(document: Document, now: int, _lease: str, token: int, new: str) -> None:
    """Whoever goes on with it already has another id, but the same token."""
    for holder in [holder for holder in document.holders if holder.token == token]:
        adoption.adopt(document, now, holder.lease, token, new)
