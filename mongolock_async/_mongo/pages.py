"""The locks of a collection, read page by page, so that no cursor stays open."""

from __future__ import annotations

from typing import Any

from mongolock_async._engine.backend import Page
from mongolock_async._protocol import projection
from mongolock_async._protocol.expressions import NOW, is_lock, is_there, some

from .link import Link

# How many locks are listed by one command.
PAGE = 200


async def page(link: Link, prefix: str, after: str | None, *, held: bool) -> Page:
    """The next ones whose names begin so. Foreign documents are passed over."""
    held_now = {"$and": [{"$ne": ["$kind", "done"]}, some("$holders", is_there(NOW))]}
    which: dict[str, Any] = {"$expr": {"$cond": [is_lock(), held_now, False]}}
    # Names with the prefix stand together in the order of _id, and begin at the prefix itself.
    names = {"$gte": prefix} if after is None else {"$gt": after}
    wanted = {"_id": names, **(which if held else {})}
    with link.command("list", None):
        # One command, whose cursor is at its end then; but for a page of more than the 16 MB of an answer.
        those = link.local.find(wanted, projection.view(), sort={"_id": 1}, limit=PAGE, batch_size=PAGE)
        found = await those.to_list(None)
    ours = [one for one in found if one["_id"].startswith(prefix)]
    locks = [(one["_id"], one["info"]) for one in ours if one["info"] is not None]
    return locks, ours[-1]["_id"] if len(ours) == PAGE else None
