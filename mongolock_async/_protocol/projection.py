"""What a command answers: computed by the server, so that no clock of a client takes part.

A findAndModify that the driver repeated is answered with the whole stored document instead of
the projection (SERVER-31242): an answer without the computed field means "ask again".
"""

from __future__ import annotations

from .expressions import (
    NOW,
    Expression,
    Stage,
    boundary,
    each,
    is_lease,
    is_live,
    is_lock,
    keep,
    left,
    live,
    some,
)


def reply(lease: str, *, now: Expression = NOW) -> Stage:
    """What this lease has got, who holds the lock, and its place in the queue (-1: none)."""
    mine = {"$first": keep("$holders", {"$and": [is_lease(lease), is_live(now)]})}
    return {
        "_id": 0,
        "reply": {
            "mine": {"$let": {"vars": {"e": mine}, "in": {"token": "$$e.token", "left_ms": left(now)}}},
            "holders": _people("$holders", now),
            "place": {"$indexOfArray": ["$queue.lease", lease]},
            "capacity": "$capacity",
        },
    }


def reply_tick(lease: str, *, period_ms: int, now: Expression = NOW) -> Stage:
    """The same, and the boundary, whether it is served, and the time to the next.

    The boundary is the one that this lease was granted for, which is over if the answer is late; or else
    the current one.
    """
    current = boundary(period_ms, now)
    projection = reply(lease, now=now)
    granted = {"$in": [lease, "$holders.lease"]}
    projection["reply"]["tick"] = {
        "boundary_ms": {"$toLong": {"$cond": [granted, "$boundary", current]}},
        "served": {"$gte": ["$boundary", current]},
        "next_ms": {"$subtract": [{"$add": [current, period_ms]}, now]},
    }
    return projection


def was_held(lease: str | None = None, *, now: Expression = NOW) -> Stage:
    """Of the document *before* a release: whether this lease, or any, was live."""
    live_one = is_live(now) if lease is None else {"$and": [is_lease(lease), is_live(now)]}
    return {"_id": 0, "held": some({"$ifNull": ["$holders", []]}, live_one)}


def view(*, now: Expression = NOW) -> Stage:
    """For people: who holds the lock and who waits; null for a document that is no lock."""
    info = {
        "capacity": "$capacity",
        "token": "$token",
        "holders": _people(live("$holders", now), now),
        "queue": _people(live("$queue", now), now),
    }
    return {"_id": 1, "info": {"$cond": [is_lock(), info, None]}}


def _people(array: Expression, now: Expression) -> Expression:
    person = {
        "owner": "$$e.owner",
        "weight": "$$e.weight",
        "token": "$$e.token",
        "age_ms": {"$subtract": [now, "$$e.since"]},
        "left_ms": left(now),
    }
    return each(array, person)
