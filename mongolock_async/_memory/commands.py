"""How a command is carried out in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeVar

from . import answers
from .document import Document
from .store import MemoryStore

T = TypeVar("T")


class Commands:
    """Each between two turns of the event loop, so that others may come in between."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def run(self, work: Callable[[], T]) -> T:
        """Carry it out."""
        await asyncio.sleep(0)
        result = work()
        await asyncio.sleep(0)
        return result

    async def on(self, name: str, work: Callable[[Document, int], T]) -> T | None:
        """Work on a document; None: there is none."""

        def on_it() -> T | None:
            document = self._store.documents.get(name)
            return None if document is None else work(document, self._store.now_ms)

        return await self.run(on_it)

    async def on_each(
        self, those: Mapping[str, T], work: Callable[[Document, int, T], bool], within: float
    ) -> set[T]:
        """Work on the document of each name, by one command; those for which that says True."""

        def on_it(name: str, one: T) -> bool:
            document = self._store.documents.get(name)
            return document is not None and work(document, self._store.now_ms, one)

        async with asyncio.timeout(within):
            return await self.run(lambda: {one for name, one in those.items() if on_it(name, one)})

    async def granting(
        self, name: str, work: Callable[[Document, int, str], T], mine: str | None = None
    ) -> T | None:
        """Work on a document by a command that may grant, and call those whom it has, but for one."""

        def on_it() -> T | None:
            document, by = self._store.documents.get(name), self._store.new_command()
            if document is None:
                return None
            result = work(document, self._store.now_ms, by)
            self._store.tell(name, answers.granted(document, by, mine))
            return result

        return await self.run(on_it)
