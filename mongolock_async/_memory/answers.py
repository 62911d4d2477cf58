"""What the projections of ``_protocol.projection`` have the server answer, in plain Python."""

from __future__ import annotations

from collections.abc import Iterable

from mongolock_async._protocol.reply import Answer, Granted, Person, TickAnswer, View

from .document import Document, Entry


def reply(document: Document, lease: str, now: int, *, by: str) -> Answer:
    """What this lease has got, and whom the command ``by`` granted besides."""
    answer: Answer = {"granted": granted(document, by, lease)}
    live = [holder for holder in _live(document.holders, now) if holder.lease == lease]
    return answer | (_mine(live[0], now) if live else _nothing(document, lease, now))


def tick(document: Document, now: int) -> TickAnswer:
    """What the clock shows, and the last boundary that was served."""
    return {"now_ms": now, "last_ms": document.boundary}


def look(document: Document, lease: str, now: int) -> Answer:
    """Where a lease or a place stands, as of now."""
    seen = Document(document.capacity, holders=_live(document.holders, now), queue=_live(document.queue, now))
    for holder in seen.holders:
        if holder.lease == lease:
            return _mine(holder, now)
    answer = _nothing(seen, lease, now)
    place = answer["place"] or 0
    before = [entry.expires for entry in seen.holders + seen.queue[: max(0, place)]]
    weight = sum(entry.weight for entry in seen.holders + seen.queue[: place + 1])
    return answer | {
        "next_ms": min(before) - now if before else None,
        "fits": place >= 0 and weight <= seen.capacity,
    }


def renewal(document: Document, lease: str, token: int, now: int) -> Answer:
    """Whether this lease is live, and who holds the lock if it is not."""
    live = _live(document.holders, now)
    for holder in live:
        if (holder.lease, holder.token) == (lease, token):
            return _mine(holder, now)
    return {"holders": _people(live, now), "place": -1, "capacity": document.capacity}


def granted(document: Document, by: str, lease: str | None = None) -> list[Granted]:
    """Whom this command has granted, but for this lease."""
    return [_granted(one) for one in document.holders if one.by == by and one.lease != lease]


def view(document: Document, now: int) -> View:
    """For people: who holds the lock and who waits."""
    return {
        "capacity": document.capacity,
        "token": document.token,
        "holders": [
            {**_person(holder, now), "ttl_ms": holder.ttl} for holder in _live(document.holders, now)
        ],
        "queue": _people(_live(document.queue, now), now),
    }


def _mine(holder: Entry, now: int) -> Answer:
    assert holder.token is not None
    left, age = holder.expires - now, now - holder.since
    return {"mine": {"token": holder.token, "left_ms": left, "age_ms": age}}


def _nothing(document: Document, lease: str, now: int) -> Answer:
    places = [place.lease for place in document.queue]
    place = places.index(lease) if lease in places else -1
    expiries = [holder.expires for holder in document.holders]
    return {
        "holders": _people(document.holders, now),
        "place": place,
        "capacity": document.capacity,
        "next_ms": min(expiries) - now if expiries else None,
        "waiting": len(document.queue),
    }


def _granted(holder: Entry) -> Granted:
    return {"lease": holder.lease} if holder.ear is None else {"lease": holder.lease, "ear": holder.ear}


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
