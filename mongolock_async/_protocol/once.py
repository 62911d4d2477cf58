"""What is done once, and stays so: its end, and how it is undone. As ``pipeline``.

A name that is done is of the kind "done", and has a holder without a lease id, which does not expire. So it
is in use for ever: every claim finds it of another kind, and changes nothing.
"""

from __future__ import annotations

from .entry import LEFT
from .expressions import NOW, Expression, Stage, each, fields, is_held, some
from .projection import CALLED, granted_by
from .transition import transition

# 9999-01-01: the last year that all drivers can read.
NEVER_MS = 253_370_764_800_000
NEVER: Expression = {"$toDate": NEVER_MS}


def finish(lease: str, token: int, *, by: str, now: Expression = NOW) -> list[Stage]:
    """It is done, if this lease is live. All who wait go from the queue to ``out``; nobody is granted."""
    left = fields(LEFT) | {"since": now, "expires": NEVER}
    done = {
        "holders": each("$holders", left),
        "queue": [],
        "out": each("$queue", fields(CALLED)),
        "kind": "done",
        "released": lease,
        "expires_at": NEVER,
    }
    return transition(_where(some("$holders", is_held(lease, token, now)), done), now, by, mutex=True)


def finished(lease: str, *, by: str) -> Stage:
    """Whether it is done by this lease, and whom to call: who was granted the lock, or taken out."""
    ours = {"$and": [{"$eq": ["$kind", "done"]}, {"$eq": ["$released", lease]}]}
    called = {"$cond": [ours, {"$ifNull": ["$out", []]}, granted_by(by, None, mutex=True)]}
    return {"_id": 0, "released": ours, "reply": {"granted": called}}


def reset(*, by: str, now: Expression = NOW) -> list[Stage]:
    """It is to be done once more, if it is done; ``released`` names this command then."""
    done = {"holders": [], "kind": "once", "out": "$$REMOVE", "released": by, "expires_at": now}
    return transition(_where({"$eq": ["$kind", "done"]}, done), now, by, mutex=True)


def _where(condition: Expression, fields: dict[str, Expression]) -> dict[str, Expression]:
    return {name: {"$cond": [condition, value, f"${name}"]} for name, value in fields.items()}
