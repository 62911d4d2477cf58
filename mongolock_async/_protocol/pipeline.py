"""What each command does to the document of a lock. Pure functions; docs/protocol.md says why it is safe.

Each function returns what the server computes with: no I/O, no clock. ``now`` is an aggregation
expression: the server's own time, unless a test puts a date there. Durations are whole
milliseconds (``_ms``). Every value that comes from a caller stands inside ``$literal``.

``by`` is the id of the command: what it grants carries it, so that its answer says whom it granted.

What does not depend on the caller is made once. Nobody changes what these functions have returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .entry import LEFT, PLACE_MS, entry_of, is_idle, is_known, waiting
from .expressions import (
    NOW,
    Expression,
    Stage,
    date,
    each,
    fields,
    is_grant,
    is_live,
    is_there,
    keep,
    kept,
    last_boundary,
    living_on,
    some,
    without,
)
from .kind import MUTEX, PLAIN, Release, Size
from .request import TickRequest
from .transition import transition


def claim(
    lease: str,
    *,
    owner: str | int,
    ttl_ms: int,
    by: str,
    size: Size = MUTEX,
    at_least_ms: int | None = None,
    value: str | None = None,
    now: Expression = NOW,
) -> list[Stage]:
    """Be granted the lock, if that fits and nobody waits.

    A lease id that is known already is not queued again: repeating a claim is harmless. So is a claim of
    another kind or capacity than the lock has while it is in use: it changes nothing.

    ``at_least_ms``: for how long from its grant the name stays taken. ``value``: what its holder tells all.
    """
    entry = entry_of(lease, owner, ttl_ms, size.weight, now, at_least_ms, value)
    return _claim(entry, _joins(lease, size), size, by, now)


def queue_up(
    lease: str,
    *,
    owner: str | int,
    ttl_ms: int,
    first_ms: int,
    ear: str | None,
    by: str,
    size: Size = MUTEX,
    at_least_ms: int | None = None,
    value: str | None = None,
    now: Expression = NOW,
) -> list[Stage]:
    """The same, and stay in the queue if it is not granted.

    ``first_ms``: how long it lives at first if it is granted by another's command. ``ear``: who listens for
    calls to it.
    """
    entry = entry_of(lease, owner, ttl_ms, size.weight, now, at_least_ms, value) | waiting(first_ms, ear)
    return _claim(entry, _joins(lease, size), size, by, now, wait=True)


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
            _joins(lease, MUTEX),
            {"$lt": ["$boundary", current]},
            {"$lte": [due, now]},
            {"$lt": [now, date(tick.until_ms)]},
        ]
    }
    won = some("$holders", {"$and": [{"$eq": ["$$e.by", by]}, {"$eq": ["$$e.lease", lease]}]})
    # Sent again to a primary whose clock is behind, it would find an earlier boundary, and undo its own.
    served = {"$max": ["$boundary", current]}
    # The document must outlive the boundary that it remembers.
    lasts = {"$max": ["$expires_at", {"$add": [current, tick.kept_ms]}]}
    serve = {
        "boundary": {"$cond": [won, served, "$boundary"]},
        "expires_at": {"$cond": [won, lasts, "$expires_at"]},
    }
    entry = entry_of(lease, owner, ttl_ms, 1, now)
    return [*_claim(entry, joins, MUTEX, by, now), {"$set": serve}]


def ask(
    lease: str, *, by: str, mutex: bool = False, keeps: bool = False, now: Expression = NOW
) -> list[Stage]:
    """Refresh a place, or give its grant the whole ttl; take what dead holders have left.

    ``keeps``: the name of its grant stays taken for its ``at_least``.
    """
    mine = {"$eq": ["$$e.lease", lease]}
    held = {"$and": [mine, is_live(now)]}
    holders = living_on("$holders", held, {"$add": [now, "$$e.ttl"]})
    apply = {
        "holders": kept(holders, held) if keeps else holders,
        "queue": living_on("$queue", mine, {"$add": [now, PLACE_MS]}),
    }
    return transition(apply, now, by, mine=lease, keeps=keeps, prolongs=True, mutex=mutex)


def release(
    leases: Sequence[str],
    *,
    by: str,
    grant: str | None = None,
    back: Sequence[str] = (),
    how: Release = PLAIN,
    now: Expression = NOW,
) -> list[Stage]:
    """Take these leases out of holders and queue; those of ``back`` that wait go to the queue's end.

    ``released`` names the last one that was live until then, by this grant; None: by any. If its name is to
    stay taken, that much is left of a holder, without a lease id.
    """
    queue: Expression = without("$queue", leases)
    if back:
        rest = without("$queue", [*leases, *back])
        queue = {"$concatArrays": [rest, keep(queue, {"$in": ["$$e.lease", {"$literal": list(back)}]})]}
    holders = without("$holders", leases)
    if how.keeps:
        ours = {"$in": ["$$e.lease", {"$literal": list(leases)}]}
        left = fields(LEFT) | {"expires": {"$add": ["$$e.since", "$$e.at_least"]}}
        holders = keep(each("$holders", {"$cond": [ours, left, "$$e"]}), is_there(now))
    released = _released(leases, grant, now if how.keeps else None)
    return transition({"holders": holders, "queue": queue, "released": released}, now, by, mutex=how.mutex)


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
    at_least_ms: int | None = None,
    value: str | None = None,
    now: Expression = NOW,
) -> list[Stage]:
    """``release`` one lease of a mutex and ``queue_up`` another, with nobody between them."""
    entry = entry_of(waiter, owner, ttl_ms, 1, now, at_least_ms, value) | waiting(first_ms, ear)
    joins = {"$and": [{"$not": [is_known(waiter)]}, {"$eq": ["$kind", "mutex"]}]}
    apply = {
        "holders": without("$holders", [lease]),
        "queue": _joined(without("$queue", [lease]), joins, entry),
        "released": _released([lease], grant),
    }
    return transition(apply, now, by, mine=waiter, keeps=at_least_ms is not None, prolongs=True, mutex=True)


def force(*, by: str, token: int | None = None, now: Expression = NOW) -> list[Stage]:
    """Take every holder out, or the one with this token; those who wait are served.

    ``released`` names this command, if there was any. What is done once, nobody holds.
    """
    rest: Expression = [] if token is None else keep("$holders", {"$ne": ["$$e.token", {"$literal": token}]})
    rest = {"$cond": [{"$eq": ["$kind", "done"]}, "$holders", rest]}
    released = {"$cond": [{"$eq": ["$holders", rest]}, {"$ifNull": ["$released", ""]}, by]}
    return transition({"holders": rest, "released": released}, now, by)


def verify() -> list[Stage]:
    """Change the document for the sake of the change: whoever else writes to it must wait, or fail."""
    return [{"$set": {"verified": {"$add": [{"$ifNull": ["$verified", 0]}, 1]}}}]


def touch(*, by: str, now: Expression = NOW) -> list[Stage]:
    """Change nothing but what time has changed: makes the document where there is none."""
    return transition({}, now, by, new=True)


def _claim(
    entry: dict[str, Expression],
    joins: Expression,
    size: Size,
    by: str,
    now: Expression,
    *,
    wait: bool = False,
) -> list[Stage]:
    apply = {"queue": _joined("$queue", joins, entry)}
    if size.capacity is not None:
        apply |= {
            "capacity": {"$cond": [is_idle(), size.capacity, "$capacity"]},
            "kind": {"$cond": [is_idle(), size.kind, "$kind"]},
        }
    mine: dict[str, Any] = {"mine": entry["lease"], "keeps": "at_least" in entry, "mutex": size.mutex}
    return transition(apply, now, by, new=True, prolongs=wait, leave=not wait, **mine)


def _joined(queue: Expression, joins: Expression, entry: dict[str, Expression]) -> Expression:
    return {"$cond": [joins, {"$concatArrays": [queue, [entry]]}, queue]}


def _released(leases: Sequence[str], grant: str | None, now: Expression | None = None) -> Expression:
    """The last of these that is held (with ``now``: and lives), or the one before."""
    ours = is_grant(grant) if grant else {"$in": ["$$e.lease", {"$literal": list(leases)}]}
    if now is not None:
        ours = {"$and": [ours, is_live(now)]}
    last = {"$last": each(keep("$holders", ours), "$$e.lease")}
    return {"$ifNull": [last, {"$ifNull": ["$released", ""]}]}


def _joins(lease: str, size: Size) -> Expression:
    fits: Expression = {"$eq": ["$kind", size.kind]}
    if size.capacity is None:
        fits = {"$and": [fits, {"$lte": [size.weight, "$capacity"]}]}
    else:
        if size.kind == "semaphore":  # the others have one capacity
            fits = {"$and": [fits, {"$eq": ["$capacity", size.capacity]}]}
        fits = {"$or": [is_idle(), fits]}
    return {"$and": [{"$not": [is_known(lease)]}, fits]}
