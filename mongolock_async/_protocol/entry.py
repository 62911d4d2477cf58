"""A place in the queue, as a claim writes it, and what is left of a holder."""

from __future__ import annotations

from functools import cache

from .expressions import Expression

# How long a place in the queue lives unless it is refreshed.
PLACE_MS = 10_000
# What is left of a holder that was released, and whose name stays taken.
LEFT = ("owner", "weight", "ttl", "since", "token")


def entry_of(
    lease: str,
    owner: str | int,
    ttl_ms: int,
    weight: int,
    now: Expression,
    at_least_ms: int | None = None,
    value: str | None = None,
) -> dict[str, Expression]:
    """A place in the queue."""
    entry: dict[str, Expression] = {
        "lease": lease,
        "owner": {"$literal": owner},
        "weight": weight,
        "ttl": ttl_ms,
        "since": now,
        "expires": {"$add": [now, PLACE_MS]},
    }
    if at_least_ms is not None:
        entry["at_least"] = at_least_ms
    if value is not None:
        entry["value"] = {"$literal": value}
    return entry


def waiting(first_ms: int, ear: str | None) -> dict[str, Expression]:
    """What a place has that stays in the queue, besides."""
    return {"first": first_ms} | ({} if ear is None else {"ear": ear})


@cache
def is_idle() -> Expression:
    """Whether nobody holds the lock, and nobody waits."""
    return {"$and": [{"$eq": ["$holders", []]}, {"$eq": ["$queue", []]}]}


def is_known(lease: str) -> Expression:
    """Whether it is held, or waits."""
    return {"$or": [{"$in": [lease, "$holders.lease"]}, {"$in": [lease, "$queue.lease"]}]}
