"""The TTL index of a collection, made once."""

from __future__ import annotations

import asyncio
import math

from . import _clock
from ._background import Background
from ._store import Store

# Seconds until an index that could not be made for want of a server is tried again.
AGAIN = 10.0


class Index:
    """Makes the index before the first claim; where that fails for now, again after a while."""

    def __init__(self, store: Store, background: Background) -> None:
        self._store = store
        self._background = background
        self._making: asyncio.Task[None] | None = None
        self._due = -math.inf

    async def ensure(self) -> None:
        """Make it, unless it is made, or has just failed. Callers at the same time share one attempt."""
        if _clock.now() >= self._due:
            self._making = self._making or self._background.spawn(self._make(), detached=True)
            await asyncio.wait([self._making])

    async def _make(self) -> None:
        made = await self._store.make_index()
        self._due = math.inf if made else _clock.now() + AGAIN
        self._making = None
