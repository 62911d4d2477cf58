"""What each command does to the document of a lock. Pure functions; docs/protocol.md says why it is safe.

Each function returns what the server computes with: no I/O, no clock. ``now`` is an aggregation
expression: the server's own time, unless a test puts a date there. Durations are whole
milliseconds (``_ms``). Every value that comes from a caller stands inside ``$literal``.

``by`` is the id of the command: what it grants carries it, so that its answer says whom it granted.

What does not depend on the caller is made once. Nobody changes what these functions have returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from .expressions import (
    NOW,
    Expression,
    Stage,
    date,
    each,
    is_grant,
    keep,
    last_boundary,
    living_on,
    some,
    without,
)
from .request import TickRequest
from .transition import transition

# How long a place in the queue lives unless it is refreshed.
PLACE_MS = 10_000


def claim(
    lease: str,
    *,
    owner: str | int,
    ttl_ms: int,
    by: str,
    weight: int = 1,
    capacity: int = 1,
    now: Expression = NOW,
) -> list[Stage]:
    """Be granted the lock, if that fits and nobody waits.

    A lease id that is known already is not queued again: repeating a claim is harmless. So is a
    claim with another capacity than the one that the lock has while it is in use: it changes nothing.
    """
    entry = _entry(lease, owner, ttl_ms, weight, now)
    return _claim(entry, _joins(lease, capacity), capacity, by, now)


def queue_up(
    lease: str,
    *,
    owner: str | int,
    ttl_ms: int,
    first_ms: int,
    ear: str | None,
    by: str,
    weight: int = 1,
    capacity: int = 1,
    now: Expression = NOW,
) -> list[Stage]:
    """The same, and stay in the queue if it is not granted.

    ``first_ms``: how long it lives at first if it is granted by another's command. ``ear``: who listens for
    calls to it.
    """
    entry = _entry(lease, owner, ttl_ms, weight, now) | _place(first_ms, ear)
    return _claim(entry, _joins(lease, capacity), capacity, by, now, wait=True)


def claim_tick(
    lease: str,
    *,
    owner: str | int,
    ttl_ms: int,
    tick: TickRequest,
    by: str,
    now: Expression = NOW,
) -> list[Stage]:
    """Try to claim a boundary, from its moment until its end, if no later one is served.

    With a period, the one that lasts now is claimed: so many periods later.
    """
    due = date(tick.due_ms)
    current = due if tick.period_ms is None else last_boundary(due, tick.period_ms, now)
    joins = {
        "$and": [
            _joins(lease, 1),
            {"$lt": ["$boundary", current]},
            {"$lte": [due, now]},
            {"$lt": [now, date(tick.until_ms)]},
        ]
    }
    won = some("$holders", {"$and": [{"$eq": ["$$e.by", by]}, {"$eq": ["$$e.lease", lease]}]})
    # The document must outlive the boundary that it remembers.
    lasts = {"$max": ["$expires_at", {"$add": [current, tick.kept_ms]}]}
    serve = {
        "boundary": {"$cond": [won, current, "$boundary"]},
        "expires_at": {"$cond": [won, lasts, "$expires_at"]},
    }
    entry = _entry(lease, owner, ttl_ms, 1, now)
    return [*_claim(entry, joins, 1, by, now), {"$set": serve}]


def ask(lease: str, *, by: str, now: Expression = NOW) -> list[Stage]:
    """Refresh a place, or give its grant the whole ttl; take what dead holders have left."""
    mine = {"$eq": ["$$e.lease", lease]}
    apply = {
        "holders": living_on("$holders", mine, {"$add": [now, "$$e.ttl"]}),
        "queue": living_on("$queue", mine, {"$add": [now, PLACE_MS]}),
    }
    return transition(apply, now, by, mine=lease, prolongs=True)


def release(
    leases: Sequence[str],
    *,
    by: str,
    grant: str | None = None,
    back: Sequence[str] = (),
    now: Expression = NOW,
) -> list[Stage]:
    """Take these leases out of holders and queue; those of ``back`` that wait go to the queue's end.

    ``released`` names the last one that was live until then, by this grant; None: by any.
    """
    queue: Expression = without("$queue", leases)
    if back:
        rest = without("$queue", [*leases, *back])
        queue = {"$concatArrays": [rest, keep(queue, {"$in": ["$$e.lease", {"$literal": list(back)}]})]}
    apply = {"holders": without("$holders", leases), "queue": queue, "released": _released(leases, grant)}
    return transition(apply, now, by)


def hand_over(
    lease: str,
    waiter: str,
    *,
    grant: str,
    owner: str | int,
    ttl_ms: int,
    first_ms: int,
    ear: str | None,
    by: str,
    weight: int = 1,
    capacity: int = 1,
    now: Expression = NOW,
) -> list[Stage]:
    """``release`` one lease and ``queue_up`` another, with nobody between them."""
    entry = _entry(waiter, owner, ttl_ms, weight, now) | _place(first_ms, ear)
    apply = {
        "holders": without("$holders", [lease]),
        "queue": _joined(without("$queue", [lease]), _joins(waiter, capacity), entry),
        "released": _released([lease], grant),
    }
    return transition(apply, now, by, mine=waiter, prolongs=True)


def force(*, by: str, token: int | None = None, now: Expression = NOW) -> list[Stage]:
    """Take every holder out, or the one with this token; those who wait are served.

    ``released`` names this command, if there was any.
    """
    rest: Expression = [] if token is None else keep("$holders", {"$ne": ["$$e.token", {"$literal": token}]})
    released = {"$cond": [{"$eq": ["$holders", rest]}, {"$ifNull": ["$released", ""]}, by]}
    return transition({"holders": rest, "released": released}, now, by)


def verify() -> list[Stage]:
    """Change the document for the sake of the change: whoever else writes to it must wait, or fail."""
    return [{"$set": {"verified": {"$add": [{"$ifNull": ["$verified", 0]}, 1]}}}]


def touch(*, by: str, now: Expression = NOW) -> list[Stage]:
    """Change nothing but what time has changed: makes the document where there is none."""
    return transition({}, now, by, new=True)


def _entry(lease: str, owner: str | int, ttl_ms: int, weight: int, now: Expression) -> dict[str, Expression]:
    return {
        "lease": lease,
        "owner": {"$literal": owner},
        "weight": weight,
        "ttl": ttl_ms,
        "since": now,
        "expires": {"$add": [now, PLACE_MS]},
    }


def _place(first_ms: int, ear: str | None) -> dict[str, Expression]:
    return {"first": first_ms} | ({} if ear is None else {"ear": ear})


def _claim(
    entry: dict[str, Expression],
    joins: Expression,
    capacity: int,
    by: str,
    now: Expression,
    *,
    wait: bool = False,
) -> list[Stage]:
    apply = {
        "queue": _joined("$queue", joins, entry),
        "capacity": {"$cond": [_is_idle(), capacity, "$capacity"]},
    }
    return transition(apply, now, by, new=True, mine=entry["lease"], prolongs=wait, leave=not wait)


def _joined(queue: Expression, joins: Expression, entry: dict[str, Expression]) -> Expression:
    return {"$cond": [joins, {"$concatArrays": [queue, [entry]]}, queue]}


def _released(leases: Sequence[str], grant: str | None) -> Expression:
    """The last of these that is live, or the one before."""
    ours = is_grant(grant) if grant else {"$in": ["$$e.lease", {"$literal": list(leases)}]}
    return {"$ifNull": [{"$last": each(keep("$holders", ours), "$$e.lease")}, {"$ifNull": ["$released", ""]}]}


@cache
def _is_idle() -> Expression:
    return {"$and": [{"$eq": ["$holders", []]}, {"$eq": ["$queue", []]}]}


def _joins(lease: str, capacity: int) -> Expression:
    known = {"$or": [{"$in": [lease, "$holders.lease"]}, {"$in": [lease, "$queue.lease"]}]}
    return {"$and": [{"$not": [known]}, {"$or": [_is_idle(), {"$eq": ["$capacity", capacity]}]}]}
