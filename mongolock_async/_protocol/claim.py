"""What a request becomes: the pipeline of its claim, and the projection of the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mongolock_async._settings import milliseconds

from . import pipeline, projection, sharing
from .expressions import Stage
from .kind import PLAIN, Release, base_of
from .request import Request


def claim_command(
    lease: str, by: str, request: Request, first: float | None, ear: str | None
) -> tuple[list[Stage], Stage]:
    """Pipeline and projection.

    ``first``: seconds that a grant by somebody else's command lives at first; None: a claim that is not
    granted does not stay in the queue. ``ear``: who listens for it there. The id of an upgrade claims that.
    """
    owner, ttl_ms = request.owner, milliseconds(request.ttl)
    if (tick := request.tick) is not None:
        stages = pipeline.claim_tick(lease, owner=owner, ttl_ms=ttl_ms, tick=tick, by=by)
        return stages, projection.reply_tick(lease, by=by)
    answer = projection.reply(lease, by=by, mutex=request.mutex)
    if base_of(lease) is not None:
        life: dict[str, Any] = {} if first is None else {"first_ms": milliseconds(first), "ear": ear}
        return sharing.upgrade(lease, owner=owner, ttl_ms=ttl_ms, by=by, **life), answer
    if first is None:
        options: dict[str, Any] = {"at_least_ms": request.at_least_ms, "value": request.value or None}
        return pipeline.claim(lease, owner=owner, ttl_ms=ttl_ms, by=by, size=request.size, **options), answer
    return pipeline.queue_up(lease, by=by, size=request.size, **_place(request, first, ear)), answer


def release_command(
    lease: str,
    by: str,
    grant: str | None,
    how: Release = PLAIN,
    back: Sequence[str] = (),
    waiter: str | None = None,
) -> tuple[list[Stage], Stage]:
    """The same, of the release of a lease. ``grant``: by which it was to be live; None: by any."""
    stages = pipeline.release([lease], by=by, grant=grant, back=back, how=how)
    return stages, projection.release(lease, by=by, waiter=waiter, mutex=how.mutex)


def hand_over_command(
    lease: str, waiter: str, by: str, grant: str, request: Request, first: float, ear: str | None
) -> tuple[list[Stage], Stage]:
    """The same, of the release of a lease, and the claim of a waiter that goes with it; of a mutex."""
    stages = pipeline.hand_over(lease, waiter, by=by, grant=grant, **_place(request, first, ear))
    return stages, projection.release(lease, by=by, waiter=waiter, mutex=True)


def _place(request: Request, first: float, ear: str | None) -> dict[str, Any]:
    return {
        "owner": request.owner,
        "ttl_ms": milliseconds(request.ttl),
        "first_ms": milliseconds(first),
        "ear": ear,
        "at_least_ms": request.at_least_ms,
        "value": request.value or None,
    }
