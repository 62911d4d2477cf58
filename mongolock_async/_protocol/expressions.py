"""Small aggregation expressions, shared by the pipeline and the projections; ``$$e`` is the element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .kind import base_of

Expression = Any
Stage = dict[str, Any]

NOW = "$$NOW"
# The last moment of a holder: when it expires, or until when its name is to stay taken.
LAST = {"$max": ["$$e.expires", "$$e.keep_until"]}


def is_lock() -> Expression:
    """Whether the document has the shape of a lock."""
    arrays = [{"$isArray": ["$holders"]}, {"$isArray": ["$queue"]}]
    return {"$and": [*arrays, {"$isNumber": "$token"}, {"$isNumber": "$capacity"}]}


def id_of(lease: str) -> Expression:
    """Where a holder has its lease id; where it has the id of its upgrade, if this is one."""
    return "$$e.lease" if base_of(lease) is None else "$$e.upgrade"


def is_lease(lease: str) -> Expression:
    """Whether the holder has this lease id; of an upgrade: whether it has been upgraded so."""
    return {"$eq": [id_of(lease), lease]}


def is_holding(lease: str, token: int) -> Expression:
    """Whether it is this grant of the lease id: a claim that arrives late may be granted once more."""
    return {"$and": [is_lease(lease), {"$eq": ["$$e.token", token]}]}


def is_held(lease: str, token: int, now: Expression) -> Expression:
    """Whether it is that, and has not expired."""
    return {"$and": [is_holding(lease, token), is_live(now)]}


def fields(names: Sequence[str]) -> dict[str, Expression]:
    """These of the element."""
    return {name: f"$$e.{name}" for name in names}


def grant_id(lease: str, token: int) -> str:
    """The same, as an id."""
    return f"{lease}#{token}"


def is_grant(grant: str) -> Expression:
    """Whether it is the grant with this id."""
    return {"$eq": [{"$concat": ["$$e.lease", "#", {"$toString": "$$e.token"}]}, {"$literal": grant}]}


def is_live(now: Expression) -> Expression:
    """Whether the element has not expired."""
    return {"$gt": ["$$e.expires", now]}


def is_there(now: Expression) -> Expression:
    """Whether the holder takes its part of the capacity: it lives, or its name is to stay taken."""
    return {"$gt": [LAST, now]}


def date(ms: int) -> Expression:
    """So many milliseconds after the beginning of 1970."""
    return {"$toDate": {"$toLong": ms}}


def last_boundary(first: Expression, period_ms: int, now: Expression) -> Expression:
    """The last one that is not after ``now``, of those that come a period after each other."""
    return {"$subtract": [now, {"$mod": [{"$subtract": [now, first]}, period_ms]}]}


def keep(array: Expression, condition: Expression) -> Expression:
    """The elements for which the condition holds."""
    return {"$filter": {"input": array, "as": "e", "cond": condition}}


def each(array: Expression, value: Expression) -> Expression:
    """The value of every element."""
    return {"$map": {"input": array, "as": "e", "in": value}}


def some(array: Expression, condition: Expression) -> Expression:
    """Whether the condition holds for an element."""
    return {"$anyElementTrue": [each(array, condition)]}


def live(array: Expression, now: Expression) -> Expression:
    """The elements that have not expired."""
    return keep(array, is_live(now))


def living_on(array: Expression, which: Expression, expires: Expression) -> Expression:
    """All elements; those live until then, or as long as they would: no command shortens a life."""
    later = {"$mergeObjects": ["$$e", {"expires": {"$max": ["$$e.expires", expires]}}]}
    return each(array, {"$cond": [which, later, "$$e"]})


def kept(array: Expression, which: Expression) -> Expression:
    """All elements; the names of those stay taken for what they asked for, from their grant."""
    until = {"$cond": ["$$e.at_least", {"$add": ["$$e.since", "$$e.at_least"]}, "$$REMOVE"]}
    return each(array, {"$cond": [which, {"$mergeObjects": ["$$e", {"keep_until": until}]}, "$$e"]})


def there(array: Expression, now: Expression) -> Expression:
    """The holders that take part of the capacity."""
    return keep(array, is_there(now))


def without(array: Expression, leases: Sequence[str]) -> Expression:
    """The elements of all leases but these."""
    return keep(array, {"$not": [{"$in": ["$$e.lease", {"$literal": leases}]}]})
