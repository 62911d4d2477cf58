"""What a request becomes: the pipeline of its claim, and the projection of the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mongolock_async._settings import milliseconds

from . import pipeline, projection
from .expressions import Stage
from .request import Request


def claim_command(
    lease: str, by: str, request: Request, first: float | None, ear: str | None
) -> tuple[list[Stage], Stage]:
    """Pipeline and projection.

    ``first``: seconds that a grant by somebody else's command lives at first; None: a claim that is not
    granted does not stay in the queue. ``ear``: who listens for it there.
    """
    owner, ttl_ms = request.owner, milliseconds(request.ttl)
    if (tick := request.tick) is not None:
        stages = pipeline.claim_tick(lease, owner=owner, ttl_ms=ttl_ms, tick=tick, by=by)
        return stages, projection.reply_tick(lease, by=by)
    if first is None:
        size = {"weight": request.weight, "capacity": request.capacity}
        stages = pipeline.claim(lease, owner=owner, ttl_ms=ttl_ms, by=by, **size)
    else:
        stages = pipeline.queue_up(lease, by=by, **_place(request, first, ear))
    return stages, projection.reply(lease, by=by)


def release_command(
    lease: str, by: str, grant: str | None, back: Sequence[str] = (), waiter: str | None = None
) -> tuple[list[Stage], Stage]:
    """The same, of the release of a lease. ``grant``: by which it was to be live; None: by any."""
    stages = pipeline.release([lease], by=by, grant=grant, back=back)
    return stages, projection.release(lease, by=by, waiter=waiter)


def hand_over_command(
    lease: str, waiter: str, by: str, grant: str, request: Request, first: float, ear: str | None
) -> tuple[list[Stage], Stage]:
    """The same, of the release of a lease, and of the claim of a waiter that goes with it."""
    stages = pipeline.hand_over(lease, waiter, by=by, grant=grant, **_place(request, first, ear))
    return stages, projection.release(lease, by=by, waiter=waiter)


def _place(request: Request, first: float, ear: str | None) -> dict[str, Any]:
    return {
        "owner": request.owner,
        "ttl_ms": milliseconds(request.ttl),
        "first_ms": milliseconds(first),
        "ear": ear,
        "weight": request.weight,
        "capacity": request.capacity,
    }
