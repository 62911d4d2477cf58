"""What keeps leases and places alive. These grant nothing, and what has expired stays so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mongolock_async._settings import milliseconds

from .entry import PLACE_MS
from .expressions import NOW, Expression, Stage, each, is_live, living_on
from .request import TtlChange


def renew(leases: Mapping[str, int], *, now: Expression = NOW) -> list[Stage]:
    """Give these leases, known by id and token, a new expiry."""
    holders = living_on("$holders", held(leases, now), {"$add": [now, "$$e.ttl"]})
    return [{"$set": {"holders": holders}}, {"$set": {"expires_at": _latest("$holders")}}]


def prolong(lease: str, token: int, ttl: TtlChange | None = None, *, now: Expression = NOW) -> list[Stage]:
    """The same for one lease; it is given the other ttl before, unless a later change came first."""
    renewed = renew({lease: token}, now=now)
    if ttl is None:
        return renewed
    later = {"$gt": [ttl.number, {"$ifNull": ["$$e.change", 0]}]}
    changed = {"$mergeObjects": ["$$e", {"ttl": milliseconds(ttl.ttl), "change": ttl.number}]}
    which = {"$and": [held({lease: token}, now), later]}
    return [{"$set": {"holders": each("$holders", {"$cond": [which, changed, "$$e"]})}}, *renewed]


def proclaim(lease: str, token: int, value: str, number: int, *, now: Expression = NOW) -> list[Stage]:
    """Give this lease another value, unless a later one came first; the number grows with each of a lease."""
    later = {"$gt": [number, {"$ifNull": ["$$e.said", 0]}]}
    said = {"$mergeObjects": ["$$e", {"value": {"$literal": value}, "said": number}]}
    which = {"$and": [held({lease: token}, now), later]}
    return [{"$set": {"holders": each("$holders", {"$cond": [which, said, "$$e"]})}}]


def refresh(places: Sequence[str], *, now: Expression = NOW) -> list[Stage]:
    """Give these places in the queue a new expiry."""
    queue = living_on("$queue", queued(places, now), {"$add": [now, PLACE_MS]})
    return [{"$set": {"queue": queue}}, {"$set": {"expires_at": _latest("$queue")}}]


def held(leases: Mapping[str, int], now: Expression = NOW) -> Expression:
    """Whether the holder is one of these, by id and token, and has not expired."""
    pairs = {"$literal": [[lease, token] for lease, token in leases.items()]}
    return {"$and": [{"$in": [["$$e.lease", "$$e.token"], pairs]}, is_live(now)]}


def queued(places: Sequence[str], now: Expression = NOW) -> Expression:
    """Whether the entry is one of these places, and has not expired."""
    return {"$and": [{"$in": ["$$e.lease", {"$literal": list(places)}]}, is_live(now)]}


def _latest(array: str) -> Expression:
    return {"$max": ["$expires_at", {"$max": f"{array}.expires"}]}
