"""The locks of a store in memory, as the engine asks for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NoReturn, TypeVar

from mongolock_async._engine.backend import Call, Transaction
from mongolock_async._errors import LockError
from mongolock_async._protocol.reply import Answer, Reply, View
from mongolock_async._protocol.request import Request
from mongolock_async._settings import milliseconds

from . import answers
from .document import Document
from .store import MemoryStore

T = TypeVar("T")

# A listener without news returns after so many seconds.
AWAIT = 1.0


class MemoryBackend:
    """Carries out each command between two turns of the event loop, so that others may come in between."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    @property
    def full_name(self) -> str:
        """The name of the store."""
        return self._store.full_name

    async def index(self) -> bool:
        """See ``Backend``. Nothing is cleaned up here."""
        return True

    async def create(self, name: str) -> None:
        """See ``Backend``."""

        def work() -> None:
            document = self._store.document(name)
            self._change(document, lambda: document.touch(self._store.now_ms))

        await self._command(work)

    async def claim(self, request: Request, lease: str, *, wait: bool = False) -> Reply:
        """See ``Backend``."""
        return Reply(await self._command(lambda: self._claim(request, lease, wait=wait)))

    async def ask(self, name: str, lease: str) -> Reply | None:
        """See ``Backend``."""

        def work(document: Document, now: int) -> Answer:
            self._change(document, lambda: document.renew(now, lease, mine=lease))
            return answers.answer(document, lease, now)

        return _reply(await self._on(name, work))

    async def look(self, name: str, lease: str) -> Reply | None:
        """See ``Backend``."""
        return _reply(await self._on(name, lambda document, now: answers.answer(document, lease, now)))

    async def renew(self, leases: Mapping[str, str], within: float) -> set[str]:
        """See ``Backend``. It is never late."""
        async with asyncio.timeout(within):
            return await self._command(
                lambda: {lease for name, lease in leases.items() if self._renew(name, lease)}
            )

    async def release(self, name: str, lease: str, back: Sequence[str] = ()) -> bool | None:
        """See ``Backend``."""

        def work(document: Document, now: int) -> bool:
            held = answers.was_held(document, now, lease)
            self._change(document, lambda: document.release(now, lease, back))
            return held

        return await self._on(name, work) or False

    async def withdraw(self, name: str, lease: str) -> Reply | None:
        """See ``Backend``."""

        def work(document: Document, now: int) -> Answer:
            before = answers.answer(document, lease, now)
            self._change(document, lambda: document.release(now, lease))
            return before

        return _reply(await self._on(name, work))

    async def force(self, name: str) -> bool:
        """See ``Backend``."""

        def work(document: Document, now: int) -> bool:
            held = answers.was_held(document, now)
            self._change(document, lambda: document.release_all(now))
            return held

        return await self._on(name, work) or False

    def transaction(self, session: object) -> NoReturn:
        """See ``Backend``: there are none."""
        raise LockError(f"verify needs the transactions of a replica set; with {session!r}, memory has none")

    async def verify(self, name: str, lease: str, session: Transaction) -> bool:
        """See ``Backend``: never reached, as there is no transaction to pass."""
        raise LockError(f"{lease} of {name!r} cannot be verified in {session!r}: memory has no transactions")

    async def view(self, name: str) -> View | None:
        """See ``Backend``."""
        return await self._on(name, answers.view)

    async def list(self, prefix: str) -> AsyncIterator[tuple[str, View]]:
        """See ``Backend``."""
        names = sorted(name for name in self._store.documents if name.startswith(prefix))
        for name in names:
            if (view := await self.view(name)) is not None:
                yield name, view

    @asynccontextmanager
    async def listen(self, member: str) -> AsyncIterator[_Listener]:
        """See ``Backend``."""
        with self._store.listening(member) as heard:
            yield _Listener(heard)

    async def _command(self, work: Callable[[], T]) -> T:
        await asyncio.sleep(0)
        result = work()
        await asyncio.sleep(0)
        return result

    async def _on(self, name: str, work: Callable[[Document, int], T]) -> T | None:
        """Work on a document; None: there is none."""

        def on_it() -> T | None:
            document = self._store.documents.get(name)
            return None if document is None else work(document, self._store.now_ms)

        return await self._command(on_it)

    def _claim(self, request: Request, lease: str, *, wait: bool) -> Answer:
        document, now = self._store.document(request.name), self._store.now_ms
        owner, ttl = request.owner, milliseconds(request.ttl)
        if (tick := request.tick) is None:
            weight, capacity = request.weight, request.capacity
            self._change(
                document,
                lambda: document.claim(
                    now, lease, owner=owner, ttl=ttl, weight=weight, capacity=capacity, wait=wait
                ),
            )
            return answers.answer(document, lease, now)
        period, after = tick.period_ms, tick.after_ms
        self._change(
            document,
            lambda: document.claim_tick(now, lease, owner=owner, ttl=ttl, period=period, after=after),
        )
        return answers.tick_answer(document, lease, period, now)

    def _renew(self, name: str, lease: str) -> bool:
        document, now = self._store.documents.get(name), self._store.now_ms
        if document is None or not document.stands(now, lease):
            return False
        self._change(document, lambda: document.renew(now, lease))
        return True

    def _change(self, document: Document, change: Callable[[], None]) -> None:
        """Change it, and call those whom that has granted the lock."""
        before = document.granted
        change()
        if document.granted is not before:
            self._store.tell(document)


class _Listener:
    """See ``Listener``."""

    def __init__(self, heard: asyncio.Queue[Call]) -> None:
        self._heard = heard

    async def next(self) -> list[Call]:
        """See ``Listener``."""
        try:
            async with asyncio.timeout(AWAIT):
                return [await self._heard.get()]
        except TimeoutError:
            return []


def _reply(answer: Answer | None) -> Reply | None:
    return None if answer is None else Reply(answer)
