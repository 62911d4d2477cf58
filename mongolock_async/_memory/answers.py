"""What the projections of ``_protocol.projection`` have the server answer, in plain Python."""

from __future__ import annotations

from collections.abc import Iterable

from mongolock_async._protocol.reply import Answer, Mine, Person, TickAnswer, View

from .document import Document, Entry


def answer(document: Document, lease: str, now: int) -> Answer:
    """What this lease has got, who holds the lock, and its place in the queue (-1: none)."""
    mine: Mine = {}
    for holder in _live(document.holders, now):
        if holder.lease == lease and holder.token is not None:
            mine = {"token": holder.token, "left_ms": holder.expires - now}
    places = [place.lease for place in document.queue]
    return {
        "mine": mine,
        "holders": _people(document.holders, now),
        "place": places.index(lease) if lease in places else -1,
        "capacity": document.capacity,
    }


def tick_answer(document: Document, lease: str, period: int, now: int) -> Answer:
    """The same, and the boundary, whether it is served, and the time to the next."""
    current = now - now % period
    last = document.boundary
    granted = any(holder.lease == lease for holder in document.holders)
    tick: TickAnswer = {
        "boundary_ms": last if granted and last is not None else current,
        "served": last is not None and last >= current,
        "next_ms": current + period - now,
    }
    return {**answer(document, lease, now), "tick": tick}


def was_held(document: Document, now: int, lease: str | None = None) -> bool:
    """Of the document *before* a release: whether this lease, or any, was live."""
    return any(lease in {None, holder.lease} for holder in _live(document.holders, now))


def view(document: Document, now: int) -> View:
    """For people: who holds the lock and who waits."""
    return {
        "capacity": document.capacity,
        "token": document.token,
        "holders": _people(_live(document.holders, now), now),
        "queue": _people(_live(document.queue, now), now),
    }


def _live(entries: Iterable[Entry], now: int) -> list[Entry]:
    return [entry for entry in entries if entry.expires > now]


def _people(entries: Iterable[Entry], now: int) -> list[Person]:
    return [_person(entry, now) for entry in entries]


def _person(entry: Entry, now: int) -> Person:
    person: Person = {
        "owner": entry.owner,
        "weight": entry.weight,
        "age_ms": now - entry.since,
        "left_ms": entry.expires - now,
    }
    if entry.token is not None:
        person["token"] = entry.token
    return person
