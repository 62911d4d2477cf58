"""What a command answers: computed by the server, so that no clock of a client takes part.

A findAndModify that the driver repeated is answered with the whole stored document instead of
the projection (SERVER-31242). Of a release, the stored document tells as much; of all else, the computed
field is asked for once more.
"""

from __future__ import annotations

from functools import cache

from .expressions import (
    LAST,
    NOW,
    Expression,
    Stage,
    each,
    fields,
    id_of,
    is_held,
    is_lease,
    is_live,
    is_lock,
    keep,
    live,
    some,
    there,
)

# What is told of one in the queue, so that it can be called.
CALLED = ("lease", "ear")


def reply(lease: str, *, by: str, mutex: bool = False, now: Expression = NOW) -> Stage:
    """What this lease, or this upgrade, has got, and whom the command ``by`` granted besides.

    Where it has nothing, also its place in the queue (-1: none), and who is in its way.
    """
    mine = {"$first": keep("$holders", {"$and": [is_lease(lease), is_live(now)]})}
    nothing = {
        "holders": _people("$holders", now),
        "place": {"$indexOfArray": ["$queue.lease", lease]},
        "kind": "$kind",
        "capacity": "$capacity",
        # The places before it live for longer than until the first look, which knows of them.
        "next_ms": {"$subtract": [{"$min": each("$holders", _moment(now))}, now]},
        "waiting": {"$size": "$queue"},
    }
    granted = {"granted": granted_by(by, lease, mutex=mutex)}
    return {
        "_id": 0,
        "reply": {
            "$let": {
                "vars": {"e": mine},
                "in": {
                    "$mergeObjects": [
                        granted,
                        {"$cond": ["$$e.lease", {"mine": grant_of(now)}, nothing]},
                    ]
                },
            }
        },
    }


def reply_tick(lease: str, *, by: str, now: Expression = NOW) -> Stage:
    """The same, and what the server's clock shows, and the last boundary that was served."""
    tick = {"now_ms": {"$toLong": now}, "last_ms": {"$toLong": "$boundary"}}
    return {**reply(lease, by=by, mutex=True, now=now), "tick": tick}


def look(lease: str, *, now: Expression = NOW) -> Stage:
    """Where a lease or a place stands, as of now. ``fits``: an ``ask`` would be granted."""
    holders, queue = there("$holders", now), live("$queue", now)
    mine = {"$first": keep("$$holders", {"$and": [is_lease(lease), is_live(now)]})}
    place = {"$indexOfArray": ["$$queue.lease", lease]}
    # With those before it.
    front = {"$slice": ["$$queue", {"$max": [1, {"$add": [place, 1]}]}]}
    weight = {"$sum": each({"$concatArrays": ["$$holders", front]}, "$$e.weight")}
    waits = {
        "holders": _people("$$holders", now),
        "place": place,
        "kind": "$kind",
        "capacity": "$capacity",
        "next_ms": _next_moment(place, now),
        "waiting": {"$size": "$$queue"},
        "fits": {"$and": [{"$gte": [place, 0]}, {"$lte": [weight, "$capacity"]}]},
    }
    found = {"$let": {"vars": {"e": mine}, "in": {"$cond": ["$$e.lease", {"mine": grant_of(now)}, waits]}}}
    return {
        "_id": 0,
        "reply": {
            "$cond": [
                is_lock(),
                {"$let": {"vars": {"holders": holders, "queue": queue}, "in": found}},
                {"place": None},
            ]
        },
    }


def release(
    lease: str, *, by: str, waiter: str | None = None, mutex: bool = False, now: Expression = NOW
) -> Stage:
    """Whether this lease (or, by ``force``, any) was live until now, and whom its end has granted.

    ``waiter``: a place of which the answer tells like that of a question of its own.
    """
    answer: Stage = {"_id": 0, "reply": {"granted": granted_by(by, None, mutex=mutex)}}
    if waiter is not None:
        answer = reply(waiter, by=by, mutex=mutex, now=now)
    return {**answer, "released": {"$eq": ["$released", lease]}}


def renewal(lease: str, token: int, *, now: Expression = NOW) -> Stage:
    """Whether this lease is live, and who holds the lock if it is not."""
    found = {"vars": {"e": {"$first": keep("$holders", is_held(lease, token, now))}}}
    nothing = {"holders": _people(there("$holders", now), now), "place": -1, "capacity": "$capacity"}
    return {
        "_id": 0,
        "reply": {"$let": {**found, "in": {"$cond": ["$$e.lease", {"mine": grant_of(now)}, nothing]}}},
    }


def was_held(lease: str, token: int, *, now: Expression = NOW) -> Stage:
    """Whether this lease is live."""
    return {"_id": 0, "held": some({"$ifNull": ["$holders", []]}, is_held(lease, token, now))}


def view(*, now: Expression = NOW) -> Stage:
    """For people: who holds the lock and who waits; null for a document that is no lock.

    A name that is done is held by nobody.
    """
    holders = {"$cond": [{"$eq": ["$kind", "done"]}, [], there("$holders", now)]}
    info = {
        "kind": "$kind",
        "capacity": "$capacity",
        "token": "$token",
        "holders": each(holders, {**_person(now), "ttl_ms": "$$e.ttl", "value": "$$e.value"}),
        "queue": _people(live("$queue", now), now),
    }
    return {"_id": 1, "info": {"$cond": [is_lock(), info, None]}}


def resized(*, by: str) -> Stage:
    """Which kind of lock it is now, and whom to call: who was granted it, or asks for more than there is."""
    heavy = keep("$queue", {"$gt": ["$$e.weight", "$capacity"]})
    called = {
        "$concatArrays": [
            granted_by(by, None, mutex=False),
            each(heavy, fields(CALLED)),
        ]
    }
    return {"_id": 0, "reply": {"kind": "$kind", "capacity": "$capacity", "granted": called}}


def granted_by(by: str, lease: str | None, *, mutex: bool) -> Expression:
    """Whom this command has granted, but for this lease: who they are, and who listens for them."""
    granted: Expression = {"$eq": ["$$e.by", by]}
    if lease is not None:
        granted = {"$and": [granted, {"$ne": [id_of(lease), lease]}]}
    who = "$$e.lease" if mutex else {"$ifNull": ["$$e.upgrade", "$$e.lease"]}
    return each(keep("$holders", granted), {"lease": who, "ear": "$$e.ear"})


@cache
def grant_of(now: Expression) -> Expression:
    """Of ``$$e``: its token, what it has left, and since when it has it."""
    return {
        "token": "$$e.token",
        "left_ms": {"$subtract": ["$$e.expires", now]},
        "age_ms": {"$subtract": [now, "$$e.since"]},
    }


@cache
def _moment(now: Expression) -> Expression:
    """Of the holder ``$$e``: when it may be gone, as far as time goes. One that is released may be kept."""
    return {"$cond": [{"$gt": ["$$e.keep_until", now]}, "$$e.keep_until", "$$e.expires"]}


def _next_moment(place: Expression, now: Expression) -> Expression:
    """Milliseconds until a holder may be gone, or a place before this one; null: there are none."""
    before = {"$cond": [{"$gt": [place, 0]}, {"$slice": ["$$queue", {"$max": [1, place]}]}, []]}
    first = {"$min": [{"$min": each("$$holders", _moment(now))}, {"$min": each(before, "$$e.expires")}]}
    return {"$subtract": [first, now]}


def _people(array: Expression, now: Expression) -> Expression:
    return each(array, _person(now))


@cache
def _person(now: Expression) -> Expression:
    return {
        "owner": "$$e.owner",
        "weight": "$$e.weight",
        "token": "$$e.token",
        "age_ms": {"$subtract": [now, "$$e.since"]},
        "left_ms": {"$subtract": [LAST, now]},
    }
