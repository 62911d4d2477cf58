"""What a request does to a document in memory, and its answer; as ``_protocol.claim``."""

from __future__ import annotations

from typing import Any

from mongolock_async._protocol.kind import base_of
from mongolock_async._protocol.reply import Reply
from mongolock_async._protocol.request import Request
from mongolock_async._settings import milliseconds

from . import answers, sharing
from .document import Document


def claim(
    document: Document, now: int, lease: str, request: Request, first: float | None, *, by: str
) -> Reply:
    """Carry it out."""
    owner, ttl = request.owner, milliseconds(request.ttl)
    if (tick := request.tick) is not None:
        document.claim_tick(now, lease, owner=owner, ttl=ttl, tick=tick, by=by)
        return Reply(answers.reply(document, lease, now, by=by), answers.tick(document, now))
    if base_of(lease) is not None:
        life: dict[str, Any] = {} if first is None else _life(lease, first)
        sharing.upgrade(document, now, lease, owner=owner, ttl=ttl, by=by, **life)
    elif first is None:
        options: dict[str, Any] = {"at_least": request.at_least_ms, "value": request.value or None}
        document.claim(now, lease, owner=owner, ttl=ttl, by=by, size=request.size, **options)
    else:
        document.queue_up(now, lease, by=by, size=request.size, **_place(lease, request, first))
    return Reply(answers.reply(document, lease, now, by=by))


def hand_over(
    document: Document,
    now: int,
    lease: str,
    token: int,
    waiter: str,
    request: Request,
    first: float,
    *,
    by: str,
) -> None:
    """The same, of the release of a lease, and the claim of a waiter that goes with it."""
    document.hand_over(now, lease, waiter, token=token, by=by, **_place(waiter, request, first))


def _place(lease: str, request: Request, first: float) -> dict[str, Any]:
    owner, ttl = request.owner, milliseconds(request.ttl)
    options = {"at_least": request.at_least_ms, "value": request.value or None}
    return {"owner": owner, "ttl": ttl, **options, **_life(lease, first)}


def _life(lease: str, first: float) -> dict[str, Any]:
    """Members hear for themselves here."""
    return {"first": milliseconds(first), "ear": lease.rpartition(".")[0]}
