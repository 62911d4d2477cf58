"""The one pipeline: expire, apply, grant. Pure functions; docs/protocol.md says why it is safe.

Each function returns what the server computes with: no I/O, no clock. ``now`` is an aggregation
expression: the server's own time, unless a test puts a date there. Durations are whole
milliseconds (``_ms``). Every value that comes from a caller stands inside ``$literal``.
"""

from __future__ import annotations

from collections.abc import Sequence

from .expressions import NOW, Expression, Stage, boundary, each, is_lock, keep, live, without

# How long a place in the queue lives unless it is refreshed.
PLACE_MS = 10_000
# The server's code for a $switch without a matching branch: how a foreign document is refused.
FOREIGN_CODE = 40066


def claim(
    lease: str,
    *,
    owner: str | int,
    ttl_ms: int,
    weight: int = 1,
    capacity: int = 1,
    wait: bool = False,
    now: Expression = NOW,
) -> list[Stage]:
    """Queue up and be granted what fits; without ``wait``, leave the queue again if it does not.

    A lease id that is known already is not queued again: repeating a claim is harmless. So is a
    claim with another capacity than the one that the lock has while it is in use: it changes nothing.
    """
    entry = _entry(lease, owner, ttl_ms, weight, now)
    return _claim(entry, _joins(lease, capacity), capacity, now, wait=wait)


def claim_tick(
    lease: str,
    *,
    owner: str | int,
    ttl_ms: int,
    period_ms: int,
    after_ms: int,
    now: Expression = NOW,
) -> list[Stage]:
    """Try to claim the current boundary, if it is later than ``after_ms`` and nobody had it yet."""
    current = boundary(period_ms, now)
    joins = {
        "$and": [
            _joins(lease, 1),
            {"$gt": [{"$toLong": current}, after_ms]},
            {"$gt": [current, "$boundary"]},
        ]
    }
    won = {"$in": [lease, "$served.lease"]}
    # The document must outlive the boundary that it remembers, however long the period is.
    lasts = {"$max": ["$expires_at", {"$add": [current, period_ms]}]}
    serve = {
        "boundary": {"$cond": [won, current, "$boundary"]},
        "expires_at": {"$cond": [won, lasts, "$expires_at"]},
    }
    entry = _entry(lease, owner, ttl_ms, 1, now)
    *stages, unset = _claim(entry, joins, 1, now, wait=False)
    return [*stages, {"$set": serve}, unset]


def release(leases: Sequence[str], *, back: Sequence[str] = (), now: Expression = NOW) -> list[Stage]:
    """Take these leases out of holders and queue; those of ``back`` that wait go to the queue's end."""
    queue: Expression = without("$queue", leases)
    if back:
        rest = without("$queue", [*leases, *back])
        queue = {"$concatArrays": [rest, keep(queue, {"$in": ["$$e.lease", {"$literal": list(back)}]})]}
    return _transition({"holders": without("$holders", leases), "queue": queue}, now, new=False)


def release_all(*, now: Expression = NOW) -> list[Stage]:
    """Take every holder out; those who wait are served."""
    return _transition({"holders": []}, now, new=False)


def renew(leases: Sequence[str], *, mine: str | None = None, now: Expression = NOW) -> list[Stage]:
    """Give these leases, or their places in the queue, a new expiry; what has expired stays so.

    ``mine``: the one that asks; if it is granted by this, it hears so from the reply.
    """
    return _transition(
        {
            "holders": _put_off("$holders", leases, {"$add": [now, "$$e.ttl"]}),
            "queue": _put_off("$queue", leases, {"$add": [now, PLACE_MS]}),
        },
        now,
        new=False,
        mine=mine,
    )


def verify() -> list[Stage]:
    """Change the document for the sake of the change: whoever else writes to it must wait, or fail."""
    return [{"$set": {"verified": {"$add": [{"$ifNull": ["$verified", 0]}, 1]}}}]


def touch(*, now: Expression = NOW) -> list[Stage]:
    """Change nothing but what time has changed: makes the document where there is none."""
    return _transition({}, now)


def _entry(lease: str, owner: str | int, ttl_ms: int, weight: int, now: Expression) -> dict[str, Expression]:
    return {
        "lease": lease,
        "owner": {"$literal": owner},
        "weight": weight,
        "ttl": ttl_ms,
        "since": now,
        "expires": {"$add": [now, PLACE_MS]},
    }


def _claim(
    entry: dict[str, Expression], joins: Expression, capacity: int, now: Expression, *, wait: bool
) -> list[Stage]:
    apply = {
        "queue": {"$cond": [joins, {"$concatArrays": ["$queue", [entry]]}, "$queue"]},
        "capacity": {"$cond": [_is_idle(), capacity, "$capacity"]},
    }
    return _transition(apply, now, mine=entry["lease"], leave=not wait)


def _transition(
    apply: dict[str, Expression],
    now: Expression,
    *,
    new: bool = True,
    mine: str | None = None,
    leave: bool = False,
) -> list[Stage]:
    """Expire, apply, grant.

    ``new``: a document with nothing but its _id is a lock that nobody has used yet.
    ``mine``: the lease that asks; it hears from the reply, and needs no call.
    """
    latest = {"$max": ["$expires_at", {"$max": "$holders.expires"}, {"$max": "$queue.expires"}]}
    return [
        {"$set": _expire(now, new=new)},
        *([{"$set": apply}] if apply else []),  # MongoDB 4.4 refuses an empty one
        # The entries that this very command grants; gone again before it is stored.
        {"$set": {"served": {"$slice": ["$queue", _fitting()]}}},
        {"$set": _grant(now, mine)},
        *([{"$set": {"queue": without("$queue", [mine])}}] if mine and leave else []),
        {"$set": {"expires_at": {"$ifNull": [latest, now]}}},
        {"$unset": "served"},
    ]


def _expire(now: Expression, *, new: bool) -> dict[str, Expression]:
    known = [{"case": is_lock(), "then": live("$holders", now)}]
    if new:
        known.append({"case": {"$eq": [{"$size": {"$objectToArray": "$$ROOT"}}, 1]}, "then": []})
    return {
        "capacity": {"$ifNull": ["$capacity", 1]},
        "holders": {"$switch": {"branches": known}},
        "queue": {"$cond": [{"$isArray": ["$queue"]}, live("$queue", now), []]},
        "token": {"$ifNull": ["$token", 0]},
        "granted": {"$ifNull": ["$granted", ""]},
    }


def _fitting() -> Expression:
    """How many entries from the front of the queue fit; the first that does not stops the walk."""
    free = {"$subtract": ["$capacity", {"$sum": "$holders.weight"}]}
    fits = {"$lte": ["$$this.weight", "$$value.free"]}
    step = {
        "$cond": [
            fits,
            {"n": {"$add": ["$$value.n", 1]}, "free": {"$subtract": ["$$value.free", "$$this.weight"]}},
            {"n": "$$value.n", "free": -1},
        ]
    }
    # Each entry weighs 1 or more, so that no more of them than `free` can fit.
    front = {"$slice": ["$queue", {"$max": [1, free]}]}
    walk = {"$reduce": {"input": front, "initialValue": {"n": 0, "free": free}, "in": step}}
    return {"$let": {"vars": {"walk": walk}, "in": "$$walk.n"}}


def _grant(now: Expression, mine: str | None) -> dict[str, Expression]:
    count = {"$size": "$served"}
    first = {"$max": [{"$add": ["$token", 1]}, {"$toLong": now}]}
    holder = {
        "lease": "$$e.lease",
        "owner": "$$e.owner",
        "weight": "$$e.weight",
        "token": {"$add": [first, "$$i"]},
        "since": now,
        "ttl": "$$e.ttl",
        "expires": {"$add": [now, "$$e.ttl"]},
    }
    entry = {"$let": {"vars": {"e": {"$arrayElemAt": ["$served", "$$i"]}}, "in": holder}}
    holders = {"$map": {"input": {"$range": [0, count]}, "as": "i", "in": entry}}
    called = each(keep("$served", {"$ne": ["$$e.lease", mine]}), "$$e.lease")
    gap = {"$cond": [{"$eq": ["$$value", ""]}, "", " "]}
    names = {"$concat": ["$$value", gap, "$$this"]}
    granted = {"$reduce": {"input": called, "initialValue": "", "in": names}}
    return {
        "holders": {"$concatArrays": ["$holders", holders]},
        "queue": {"$slice": ["$queue", count, {"$max": [1, {"$size": "$queue"}]}]},
        "token": {"$cond": [{"$gt": [count, 0]}, {"$add": [first, count, -1]}, "$token"]},
        "granted": {"$cond": [{"$eq": [granted, ""]}, "$granted", granted]},
    }


def _is_idle() -> Expression:
    return {"$and": [{"$eq": ["$holders", []]}, {"$eq": ["$queue", []]}]}


def _joins(lease: str, capacity: int) -> Expression:
    known = {"$or": [{"$in": [lease, "$holders.lease"]}, {"$in": [lease, "$queue.lease"]}]}
    return {"$and": [{"$not": [known]}, {"$or": [_is_idle(), {"$eq": ["$capacity", capacity]}]}]}


def _put_off(array: Expression, leases: Sequence[str], expires: Expression) -> Expression:
    among = {"$in": ["$$e.lease", {"$literal": leases}]}
    return each(array, {"$cond": [among, {"$mergeObjects": ["$$e", {"expires": expires}]}, "$$e"]})
