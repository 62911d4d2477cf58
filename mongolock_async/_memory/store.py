"""The documents in memory, the time by which they expire, and who listens for grants."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from mongolock_async._engine.backend import Call
from mongolock_async._protocol.reply import Granted

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
        self._ears: dict[str, Callable[[Call], None]] = {}
        self._commands = itertools.count(1)

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

    def new_command(self) -> str:
        """The id of a command that may grant."""
        return f"{self.full_name}.{next(self._commands)}"

    def tell(self, name: str, granted: Iterable[Granted]) -> None:
        """Call those who were granted a lock."""
        for one in granted:
            if hear := self._ears.get(one.get("ear") or ""):
                asyncio.get_running_loop().call_soon(hear, Call(name, one["lease"], None))

    def listen(self, member: str, hear: Callable[[Call], None]) -> None:
        """A member hears its calls from now on."""
        self._ears[member] = hear

    def ignore(self, member: str) -> None:
        """It does not any more."""
        self._ears.pop(member, None)
