"""What is done to locks that several may share, besides: another capacity, and upgrades. As ``pipeline``."""

from __future__ import annotations

from .entry import LEFT, entry_of, is_idle, waiting
from .expressions import NOW, Expression, Stage, each, fields, is_lease, live, without
from .kind import UPGRADABLE, WRITER, base_of
from .transition import transition

# What is left of a holder whose upgrade was taken back.
REMEMBERED = (
    *LEFT,
    *("lease", "expires", "first", "ear", "by", "change", "at_least", "keep_until", "value", "said"),
)


def resize(capacity: int, *, by: str, now: Expression = NOW) -> list[Stage]:
    """Give a semaphore another capacity, and a lock that nobody uses, too: it is a semaphore then.

    Nobody is taken out: where more is held than there is now, nothing is granted until that has drained.
    """
    semaphore = {"$or": [is_idle(), {"$eq": ["$kind", "semaphore"]}]}
    apply = {
        "capacity": {"$cond": [semaphore, capacity, "$capacity"]},
        "kind": {"$cond": [semaphore, "semaphore", "$kind"]},
    }
    return transition(apply, now, by, new=True)


def upgrade(
    lease: str,
    *,
    owner: str | int,
    ttl_ms: int,
    by: str,
    first_ms: int | None = None,
    ear: str | None = None,
    now: Expression = NOW,
) -> list[Stage]:
    """Have an upgradable reader weigh all of the lock, before everybody who waits.

    ``lease`` is the id of the upgrade, which names its lease. ``first_ms``: it stays in the queue, as in
    ``queue_up``, though its grant prolongs nothing; None: it leaves the queue if it is not granted.
    """
    base = base_of(lease)
    wait = first_ms is not None
    entry = entry_of(lease, owner, ttl_ms, WRITER - UPGRADABLE, now) | {"base": base}
    if first_ms is not None:
        entry |= waiting(first_ms, ear)
    upgradable = each(live("$holders", now), ["$$e.lease", "$$e.weight"])
    joins = {
        "$and": [
            {"$in": [{"$literal": [base, UPGRADABLE]}, upgradable]},
            {"$not": [{"$in": [base, "$queue.base"]}]},
        ]
    }
    apply = {"queue": {"$cond": [joins, {"$concatArrays": [[entry], "$queue"]}, "$queue"]}}
    return transition(apply, now, by, mine=lease, prolongs=wait, leave=not wait)


def downgrade(lease: str, *, by: str, now: Expression = NOW) -> list[Stage]:
    """Take back the upgrade of this id, granted or not; its lease weighs what it did before."""
    back = {"$cond": [is_lease(lease), fields(REMEMBERED) | {"weight": UPGRADABLE}, "$$e"]}
    return transition({"holders": each("$holders", back), "queue": without("$queue", [lease])}, now, by)
