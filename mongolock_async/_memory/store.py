"""The documents in memory, the time by which they expire, and who listens for grants."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from mongolock_async._engine.backend import Call

from .clock import MemoryClock
from .document import Document

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_numbers = itertools.count(1)


class MemoryStore:
    """What all backends on it share.

    Args:
        start: what the clock shows at first.

    Attributes:
        full_name: tells this store from all others.
        clock: drives the expiry here, and the deadlines of the members.
        documents: name -> lock.
    """

    def __init__(self, start: datetime) -> None:
        self.full_name = f"memory-{next(_numbers)}"
        self.clock = MemoryClock()
        self.documents: dict[str, Document] = {}
        self._start = (start - EPOCH) / timedelta(seconds=1)
        self._epoch = math.nan
        with contextlib.suppress(RuntimeError):  # made outside of a loop, it begins with the first one
            asyncio.get_running_loop()
            self._begin()
        self._listeners: dict[str, list[asyncio.Queue[Call]]] = {}

    @property
    def now_ms(self) -> int:
        """Milliseconds since 1970, as the server's ``$$NOW``."""
        if math.isnan(self._epoch):
            self._begin()
        return int((self._epoch + self.clock.now()) * 1000)

    def _begin(self) -> None:
        """Each loop may count from another moment."""
        self._epoch = self._start + self.clock.ahead - self.clock.now()

    def document(self, name: str) -> Document:
        """The lock of this name; made if there is none."""
        return self.documents.setdefault(name, Document())

    def now(self) -> datetime:
        """What the clock shows, in UTC."""
        return datetime.fromtimestamp(self.now_ms / 1000, UTC)

    def tell(self, document: Document) -> None:
        """Call those whom the last change of this document has granted the lock."""
        tokens = {holder.lease: holder.token for holder in document.holders}
        for lease in document.granted:
            for heard in self._listeners.get(lease.rpartition(".")[0], ()):
                heard.put_nowait(Call(lease, tokens[lease]))

    @contextmanager
    def listening(self, member: str) -> Iterator[asyncio.Queue[Call]]:
        """Collect the calls to a member."""
        heard: asyncio.Queue[Call] = asyncio.Queue()
        listeners = self._listeners.setdefault(member, [])
        listeners.append(heard)
        try:
            yield heard
        finally:
            listeners.remove(heard)
            if not listeners:
                del self._listeners[member]
