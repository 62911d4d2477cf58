"""What is stored of the one lock."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mongolock_async._memory.document import Document
from mongolock_async._memory.entry import Entry
from mongolock_async._protocol.kind import Kind


@dataclass(frozen=True, slots=True)
class Stored:
    """A document at one moment. ``done_by``: the lease under which that was done which is done once."""

    token: int
    holders: tuple[Entry, ...]
    queue: tuple[Entry, ...]
    capacity: int = 1
    kind: Kind | None = None
    done_by: str | None = None

    def thaw(self, document: type[Document]) -> Document:
        holders, queue, done_by = list(self.holders), list(self.queue), self.done_by
        kind = self.kind
        return document(self.capacity, self.token, holders=holders, queue=queue, kind=kind, released=done_by)


def freeze(document: Document) -> Stored:
    done_by = document.released if document.kind == "done" else None
    holders, queue = tuple(map(_plain, document.holders)), tuple(document.queue)
    return Stored(document.token, holders, queue, document.capacity, document.kind, done_by)


def _plain(holder: Entry) -> Entry:
    """Which command has granted it is asked once, when that is carried out."""
    return replace(holder, by=None)


def live(entries: tuple[Entry, ...], clock: int) -> list[Entry]:
    """Those that stand; of a holder, also one whose lease is over, while it keeps the name."""
    return [entry for entry in entries if entry.expires > clock or entry.last > clock]


def same(one: Stored | None, other: Stored | None, clock: int) -> bool:
    """Whether they differ in nothing but what has expired."""
    if one is None or other is None:
        return one is other
    return _standing(one, clock) == _standing(other, clock)


def _standing(stored: Stored, clock: int) -> tuple[object, ...]:
    kind = (stored.capacity, stored.kind, stored.done_by)
    return (stored.token, live(stored.holders, clock), live(stored.queue, clock), kind)
