"""The one transition: expire, apply, grant. All that may grant a lock goes through it."""

from __future__ import annotations

from functools import cache

from .expressions import Expression, Stage, each, is_lock, keep, live, there, without

# The server's code for a $switch without a matching branch: how a foreign document is refused.
FOREIGN_CODE = 40066


def transition(
    apply: dict[str, Expression],
    now: Expression,
    by: str,
    *,
    new: bool = False,
    mine: str | None = None,
    keeps: bool = False,
    prolongs: bool = False,
    leave: bool = False,
    mutex: bool = False,
) -> list[Stage]:
    """Expire, apply, grant.

    ``new``: a document with nothing but its _id is a lock that nobody has used yet.
    ``mine``: the lease that asks; if it is granted, it lives for its whole ttl at once.
    ``keeps``: and its name stays taken for its ``at_least``.
    ``prolongs``: an entry may live longer than before. ``leave``: ``mine`` does not stay in the queue.
    ``mutex``: nobody shares the lock, and nobody upgrades, so that less is sent. In a lock of another kind,
    it grants no more than one entry that weighs 1, and only where nobody holds the lock.
    """
    return [
        {"$set": _expire(now, new=new)},
        *([{"$set": apply}] if apply else []),  # MongoDB 4.4 refuses an empty one
        *([] if mutex else [{"$set": {"queue": _with_base(now)}}]),
        # The entries that this very command grants; gone again before it is stored.
        {"$set": {"served": _one_at_a_time() if mutex else {"$slice": ["$queue", _fitting()]}}},
        {
            "$set": _grant(now, by, mine, keeps=keeps, leave=leave, mutex=mutex)
            | {"expires_at": _outlives(now, prolongs=prolongs)}
        },
    ]


@cache
def _expire(now: Expression, *, new: bool) -> dict[str, Expression]:
    known = [{"case": is_lock(), "then": there("$holders", now)}]
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
def _with_base(now: Expression) -> Expression:
    """The queue without the upgrades of leases that are over."""
    bases = each(live("$holders", now), "$$e.lease")
    return keep("$queue", {"$or": [{"$not": ["$$e.base"]}, {"$in": ["$$e.base", bases]}]})


@cache
def _one_at_a_time() -> Expression:
    """The first in the queue, if nobody holds the lock; and if it weighs 1, as all do in a mutex."""
    free = {"$and": [{"$eq": ["$holders", []]}, {"$eq": [{"$first": "$queue.weight"}, 1]}]}
    return {"$cond": [free, {"$slice": ["$queue", 1]}, []]}


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


def _grant(
    now: Expression, by: str, mine: str | None, *, keeps: bool, leave: bool, mutex: bool
) -> dict[str, Expression]:
    count = {"$size": "$served"}
    first = {"$max": [{"$add": ["$token", 1]}, {"$toLong": now}]}
    life: Expression = {"$ifNull": ["$$e.first", "$$e.ttl"]}
    if mine is not None:
        life = {"$cond": [{"$eq": ["$$e.lease", mine]}, "$$e.ttl", life]}
    grant = {
        "token": {"$add": [first, "$$i"]},
        "since": now,
        "expires": {"$add": [now, life]},
        "by": by,
    }
    if keeps:  # all others have it from their first question: a waiter may be dead
        asked = {"$and": [{"$eq": ["$$e.lease", mine]}, "$$e.at_least"]}
        grant["keep_until"] = {"$cond": [asked, {"$add": [now, "$$e.at_least"]}, "$$REMOVE"]}
    entry = {
        "$let": {
            "vars": {"e": {"$arrayElemAt": ["$served", "$$i"]}},
            "in": {"$mergeObjects": ["$$e", grant]},
        }
    }
    granted: Expression = {"$map": {"input": {"$range": [0, count]}, "as": "i", "in": entry}}
    holders: Expression = "$holders"
    if not mutex:
        granted, holders = keep(granted, {"$not": ["$$e.base"]}), _upgraded(by)
    queue: Expression = {"$slice": ["$queue", count, {"$max": [1, {"$size": "$queue"}]}]}
    return {
        "holders": {"$concatArrays": [holders, granted]},
        "queue": without(queue, [mine]) if leave and mine else queue,
        "token": {"$cond": [{"$gt": [count, 0]}, {"$add": [first, count, -1]}, "$token"]},
        "served": "$$REMOVE",
    }


def _upgraded(by: str) -> Expression:
    """The holders; one whose upgrade is granted weighs as much more, and keeps its token and its life."""
    its = {"$eq": ["$$u.base", {"$ifNull": ["$$e.lease", ""]}]}
    upgrade = {"$first": {"$filter": {"input": "$served", "as": "u", "cond": its}}}
    weight = {"$add": ["$$e.weight", "$$u.weight"]}
    more = {"weight": weight, "upgrade": "$$u.lease", "ear": "$$u.ear", "by": by}
    changed = {"$cond": ["$$u", {"$mergeObjects": ["$$e", more]}, "$$e"]}
    return each("$holders", {"$let": {"vars": {"u": upgrade}, "in": changed}})


@cache
def _outlives(now: Expression, *, prolongs: bool) -> Expression:
    """The document lives as long as anything in it."""
    served = [{"$add": [now, {"$max": f"$served.{life}"}]} for life in ("ttl", "at_least")]
    terms: list[Expression] = ["$expires_at", *served]
    if prolongs:
        terms += [{"$max": "$queue.expires"}, {"$max": "$holders.expires"}]
    return {"$ifNull": [{"$max": terms}, now]}
