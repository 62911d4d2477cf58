"""What the projections of ``_protocol.projection`` have the server answer, in plain Python."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mongolock_async._protocol.reply import Answer, Granted, Mine, Person, TickAnswer, View

from .document import Document
from .entry import Entry, is_held


def reply(document: Document, lease: str, now: int, *, by: str) -> Answer:
    """What this lease has got, and whom the command ``by`` granted besides."""
    answer: Answer = {"granted": granted(document, by, lease)}
    live = [holder for holder in _live(document.holders, now) if holder.is_of(lease)]
    return answer | ({"mine": mine(live[0], now)} if live else _nothing(document, lease, now))


def tick(document: Document, now: int) -> TickAnswer:
    """What the clock shows, and the last boundary that was served."""
    return {"now_ms": now, "last_ms": document.boundary}


def look(document: Document, lease: str, now: int) -> Answer:
    """Where a lease or a place stands, as of now."""
    seen = replace(document, holders=_there(document.holders, now), queue=_live(document.queue, now))
    for holder in _live(seen.holders, now):
        if holder.is_of(lease):
            return {"mine": mine(holder, now)}
    answer = _nothing(seen, lease, now)
    place = answer["place"] or 0
    before = [_moment(holder, now) for holder in seen.holders]
    before += [entry.expires for entry in seen.queue[: max(0, place)]]
    weight = sum(entry.weight for entry in seen.holders + seen.queue[: place + 1])
    return answer | {
        "next_ms": min(before) - now if before else None,
        "fits": place >= 0 and weight <= seen.capacity,
    }


def renewal(document: Document, lease: str, token: int, now: int) -> Answer:
    """Whether this lease is live, and who holds the lock if it is not."""
    for holder in document.holders:
        if is_held(holder, now, lease, token):
            return {"mine": mine(holder, now)}
    there = _there(document.holders, now)
    return {"holders": _people(there, now), "place": -1, "capacity": document.capacity}


def granted(document: Document, by: str, lease: str | None = None) -> list[Granted]:
    """Whom this command has granted, but for this lease."""
    return [
        called(one) for one in document.holders if one.by == by and (lease is None or not one.is_of(lease))
    ]


def resized(document: Document, by: str) -> Answer:
    """Which kind of lock it is now, and whom to call: who was granted it, or asks for more than there is."""
    heavy = [place for place in document.queue if place.weight > document.capacity]
    return _kind(document) | {"granted": granted(document, by) + [called(place) for place in heavy]}


def view(document: Document, now: int) -> View:
    """For people: who holds the lock and who waits. A name that is done is held by nobody."""
    there = [] if document.kind == "done" else _there(document.holders, now)
    view: View = {
        "capacity": document.capacity,
        "token": document.token,
        "holders": [_holder(holder, now) for holder in there],
        "queue": _people(_live(document.queue, now), now),
    }
    if document.kind is not None:
        view["kind"] = document.kind
    return view


def mine(holder: Entry, now: int) -> Mine:
    """What the lease that asks holds."""
    assert holder.token is not None
    left, age = holder.expires - now, now - holder.since
    return {"token": holder.token, "left_ms": left, "age_ms": age}


def _nothing(document: Document, lease: str, now: int) -> Answer:
    places = [place.lease for place in document.queue]
    place = places.index(lease) if lease in places else -1
    moments = [_moment(holder, now) for holder in document.holders]
    return _kind(document) | {
        "holders": _people(document.holders, now),
        "place": place,
        "next_ms": min(moments) - now if moments else None,
        "waiting": len(document.queue),
    }


def _kind(document: Document) -> Answer:
    answer: Answer = {"capacity": document.capacity}
    return answer if document.kind is None else answer | {"kind": document.kind}


def _holder(holder: Entry, now: int) -> Person:
    person: Person = {**_person(holder, now), "ttl_ms": holder.ttl}
    return person if holder.value is None else {**person, "value": holder.value}


def called(entry: Entry) -> Granted:
    """What is told of one, so that it can be called."""
    lease = entry.upgrade or entry.lease
    return {"lease": lease} if entry.ear is None else {"lease": lease, "ear": entry.ear}


def _moment(holder: Entry, now: int) -> int:
    """When it may be gone, as far as time goes; one that is released may be kept."""
    until = holder.keep_until
    return until if until is not None and until > now else holder.expires


def _live(entries: Iterable[Entry], now: int) -> list[Entry]:
    return [entry for entry in entries if entry.expires > now]


def _there(entries: Iterable[Entry], now: int) -> list[Entry]:
    return [entry for entry in entries if entry.last > now]


def _people(entries: Iterable[Entry], now: int) -> list[Person]:
    return [_person(entry, now) for entry in entries]


def _person(entry: Entry, now: int) -> Person:
    person: Person = {
        "owner": entry.owner,
        "weight": entry.weight,
        "age_ms": now - entry.since,
        "left_ms": entry.last - now,
    }
    if entry.token is not None:
        person["token"] = entry.token
    return person
