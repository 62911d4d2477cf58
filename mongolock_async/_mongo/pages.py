"""The locks of a collection, read page by page, so that no cursor stays open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from mongolock_async._protocol import projection
from mongolock_async._protocol.expressions import NOW, is_live, is_lock, some
from mongolock_async._protocol.reply import View

from .link import Link

# How many locks are listed by one command.
PAGE = 200


async def pages(link: Link, prefix: str, *, held: bool) -> AsyncIterator[tuple[str, View]]:
    """Those whose names begin so, in the order of names. Foreign documents are passed over."""
    which: dict[str, Any] = {"$expr": {"$cond": [is_lock(), some("$holders", is_live(NOW)), False]}}
    # Names with the prefix stand together in the order of _id, and begin at the prefix itself.
    names = {"$gte": prefix}
    while True:
        wanted = {"_id": names, **(which if held else {})}
        with link.command("list", None):
            page = link.local.find(wanted, projection.view(), sort={"_id": 1}, limit=-PAGE, batch_size=PAGE)
            found = await page.to_list(None)
        for one in found:
            if not one["_id"].startswith(prefix):
                return
            if one["info"] is not None:
                yield one["_id"], one["info"]
        if not found:
            return
        names = {"$gt": found[-1]["_id"]}
