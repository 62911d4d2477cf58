"""What a request becomes: the pipeline of its claim, and the projection of the answer."""

from __future__ import annotations

from mongolock_async._settings import milliseconds

from . import pipeline, projection
from .expressions import Stage
from .request import Request


def claim_command(
    request: Request, lease: str, *, by: str, first: float | None, ear: str | None
) -> tuple[list[Stage], Stage]:
    """Pipeline and projection.

    ``first``: seconds that a grant by somebody else's command lives at first; None: a claim that is not
    granted does not stay in the queue. ``ear``: who listens for it there.
    """
    owner, ttl_ms = request.owner, milliseconds(request.ttl)
    if (tick := request.tick) is not None:
        period_ms, after_ms = tick.period_ms, tick.after_ms
        stages = pipeline.claim_tick(
            lease, owner=owner, ttl_ms=ttl_ms, period_ms=period_ms, after_ms=after_ms, by=by
        )
        return stages, projection.reply_tick(lease, by=by, period_ms=period_ms)
    size = {"weight": request.weight, "capacity": request.capacity}
    if first is None:
        stages = pipeline.claim(lease, owner=owner, ttl_ms=ttl_ms, by=by, **size)
    else:
        first_ms = milliseconds(first)
        stages = pipeline.queue_up(
            lease, owner=owner, ttl_ms=ttl_ms, first_ms=first_ms, ear=ear, by=by, **size
        )
    return stages, projection.reply(lease, by=by)
