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
    return [{"$set": {"holders": holders}}, {"$set": {"expires_at": latest("$holders")}}]


def prolong(lease: str, token: int, ttl: TtlChange | None = None, *, now: Expression = NOW) -> list[Stage]:
    """The same for one lease; it is given the other ttl before, unless a later change came first."""
    renewed = renew({lease: token}, now=now)
    if ttl is None:
        return renewed
    return [_change(lease, token, {"ttl": milliseconds(ttl.ttl)}, "change", ttl.number, now), *renewed]


def proclaim(lease: str, token: int, value: str, number: int, *, now: Expression = NOW) -> list[Stage]:
    """Give this lease another value, unless a later one came first; the number grows with each of a lease."""
    return [_change(lease, token, {"value": {"$literal": value}}, "said", number, now)]


def refresh(places: Sequence[str], *, now: Expression = NOW) -> list[Stage]:
    """Give these places in the queue a new expiry."""
    queue = living_on("$queue", queued(places, now), {"$add": [now, PLACE_MS]})
    return [{"$set": {"queue": queue}}, {"$set": {"expires_at": latest("$queue")}}]


def held(leases: Mapping[str, int], now: Expression = NOW) -> Expression:
    """Whether the holder is one of these, by id and token, and has not expired."""
    pairs = {"$literal": [[lease, token] for lease, token in leases.items()]}
    return {"$and": [{"$in": [["$$e.lease", "$$e.token"], pairs]}, is_live(now)]}


def queued(places: Sequence[str], now: Expression = NOW) -> Expression:
    """Whether the entry is one of these places, and has not expired."""
    return {"$and": [{"$in": ["$$e.lease", {"$literal": list(places)}]}, is_live(now)]}


def _change(
    lease: str, token: int, change: dict[str, Expression], counter: str, number: int, now: Expression
) -> Stage:
    """Change this lease, unless a change with a greater number, by this counter, came first."""
    later = {"$gt": [number, {"$ifNull": [f"$$e.{counter}", 0]}]}
    changed = {"$mergeObjects": ["$$e", {**change, counter: number}]}
    which = {"$and": [held({lease: token}, now), later]}
    return {"$set": {"holders": each("$holders", {"$cond": [which, changed, "$$e"]})}}


def latest(array: str) -> Expression:
    """The document lives as long as these, or as it would."""
    return {"$max": ["$expires_at", {"$max": f"{array}.expires"}]}
