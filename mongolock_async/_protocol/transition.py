"""The one transition: expire, apply, grant. All that may grant a lock goes through it."""

from __future__ import annotations

from functools import cache

from .expressions import Expression, Stage, is_lock, live, without

# The server's code for a $switch without a matching branch: how a foreign document is refused.
FOREIGN_CODE = 40066


def transition(
    apply: dict[str, Expression],
    now: Expression,
    by: str,
    *,
    new: bool = False,
    mine: str | None = None,
    prolongs: bool = False,
    leave: bool = False,
) -> list[Stage]:
    """Expire, apply, grant.

    ``new``: a document with nothing but its _id is a lock that nobody has used yet.
    ``mine``: the lease that asks; if it is granted, it lives for its whole ttl at once.
    ``prolongs``: an entry may live longer than before. ``leave``: ``mine`` does not stay in the queue.
    """
    return [
        {"$set": _expire(now, new=new)},
        *([{"$set": apply}] if apply else []),  # MongoDB 4.4 refuses an empty one
        # The entries that this very command grants; gone again before it is stored.
        {"$set": {"served": {"$slice": ["$queue", _fitting()]}}},
        {"$set": _grant(now, by, mine, leave=leave) | {"expires_at": _outlives(now, prolongs=prolongs)}},
    ]


@cache
def _expire(now: Expression, *, new: bool) -> dict[str, Expression]:
    known = [{"case": is_lock(), "then": live("$holders", now)}]
    if new:
        known.append({"case": {"$eq": [{"$size": {"$objectToArray": "$$ROOT"}}, 1]}, "then": []})
    expired: dict[str, Expression] = {
        "holders": {"$switch": {"branches": known}},
        # A foreign document must fail by its holders, and by nothing else.
        "queue": {"$cond": [{"$isArray": ["$queue"]}, live("$queue", now), []]},
    }
    if new:
        expired |= {"capacity": {"$ifNull": ["$capacity", 1]}, "token": {"$ifNull": ["$token", 0]}}
    return expired


@cache
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


def _grant(now: Expression, by: str, mine: str | None, *, leave: bool) -> dict[str, Expression]:
    count = {"$size": "$served"}
    first = {"$max": [{"$add": ["$token", 1]}, {"$toLong": now}]}
    life: Expression = {"$ifNull": ["$$e.first", "$$e.ttl"]}
    if mine is not None:
        life = {"$cond": [{"$eq": ["$$e.lease", mine]}, "$$e.ttl", life]}
    grant = {"token": {"$add": [first, "$$i"]}, "since": now, "expires": {"$add": [now, life]}, "by": by}
    entry = {
        "$let": {
            "vars": {"e": {"$arrayElemAt": ["$served", "$$i"]}},
            "in": {"$mergeObjects": ["$$e", grant]},
        }
    }
    granted = {"$map": {"input": {"$range": [0, count]}, "as": "i", "in": entry}}
    queue: Expression = {"$slice": ["$queue", count, {"$max": [1, {"$size": "$queue"}]}]}
    return {
        "holders": {"$concatArrays": ["$holders", granted]},
        "queue": without(queue, [mine]) if leave and mine else queue,
        "token": {"$cond": [{"$gt": [count, 0]}, {"$add": [first, count, -1]}, "$token"]},
        "served": "$$REMOVE",
    }


@cache
def _outlives(now: Expression, *, prolongs: bool) -> Expression:
    """The document lives as long as anything in it."""
    terms: list[Expression] = ["$expires_at", {"$add": [now, {"$max": "$served.ttl"}]}]
    if prolongs:
        terms += [{"$max": "$queue.expires"}, {"$max": "$holders.expires"}]
    return {"$ifNull": [{"$max": terms}, now]}
