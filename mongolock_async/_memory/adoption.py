"""A lease that goes on under another id: as ``_protocol.adoption``, in plain Python."""

from __future__ import annotations

from dataclasses import replace

from mongolock_async._protocol.adoption import Answer, Asked

from . import answers
from .document import Document
from .entry import is_held, later


def adopt(document: Document, now: int, lease: str, token: int, new: str) -> None:
    """Give this lease, known by id and token, a new id, and its whole ttl."""
    document.holders = [
        later(replace(entry, lease=new, change=0, said=0), now + entry.ttl)
        if is_held(entry, now, lease, token)
        else entry
        for entry in document.holders
    ]
    document.outlive(document.holders)


def adopted(document: Document, now: int, new: str, token: int) -> Answer | None:
    """What the lease is under its new id, if it is live."""
    for entry in document.holders:
        if is_held(entry, now, new, token):
            assert document.kind is not None  # somebody has claimed it
            asked = Asked(owner=entry.owner, weight=entry.weight, ttl=entry.ttl)
            if entry.at_least is not None:
                asked["at_least"] = entry.at_least
            mine = answers.mine(entry, now)
            return {"mine": mine, "asked": asked, "kind": document.kind, "capacity": document.capacity}
    return None
