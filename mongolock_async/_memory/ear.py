"""What a member hears with, in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mongolock_async._engine.backend import Call

from .store import MemoryStore


class MemoryEar:
    """See ``Ear``."""

    deaf = False

    def __init__(self, store: MemoryStore, member: str, hear: Callable[[Call], None]) -> None:
        self._store = store
        self._member = member
        self._wanted = 0
        store.listen(member, hear)

    @property
    def mode(self) -> str | None:
        """See ``Ear``."""
        return "calls" if self._wanted else None

    @contextmanager
    def wanted(self) -> Iterator[None]:
        """See ``Ear``."""
        self._wanted += 1
        try:
            yield
        finally:
            self._wanted -= 1

    def missed(self) -> None:
        """See ``Ear``. None ever is."""

    async def aclose(self) -> None:
        """See ``Ear``."""
        self._store.ignore(self._member)
