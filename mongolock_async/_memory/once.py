"""What is done once, and how that is undone: as ``_protocol.once``, in plain Python."""

from __future__ import annotations

from dataclasses import replace

from mongolock_async._protocol.once import NEVER_MS
from mongolock_async._protocol.reply import Granted

from . import answers
from .document import Document
from .entry import left_of


def finish(document: Document, now: int, lease: str, token: int, *, by: str) -> None:
    """It is done, if this lease is live. Everybody is taken out of the queue; nobody is granted."""
    document.expire(now)
    if document.holds(now, lease, token):
        left = [left_of(holder) for holder in document.holders]
        document.holders = [replace(one, since=now, expires=NEVER_MS) for one in left]
        document.out = [answers.called(place) for place in document.queue]
        document.queue = []
        document.kind, document.released, document.expires_at = "done", lease, NEVER_MS
    document.grant(now, by, mutex=True)


def finished(document: Document, lease: str, by: str) -> tuple[bool, list[Granted]]:
    """Whether it is done by this lease, and whom to call: who was granted the lock, or taken out."""
    if document.kind == "done" and document.released == lease:
        return True, document.out or []
    return False, answers.granted(document, by)


def reset(document: Document, now: int, *, by: str) -> None:
    """It is to be done once more, if it is done; ``released`` names this command then."""
    document.expire(now)
    if document.kind == "done":
        document.holders, document.kind, document.out = [], "once", None
        document.released, document.expires_at = by, now
    document.grant(now, by, mutex=True)
