"""The locks of a store in memory, as the engine asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from mongolock_async._engine.backend import Call, Page, Transaction
from mongolock_async._errors import LockError
from mongolock_async._protocol.adoption import Adopted
from mongolock_async._protocol.kind import base_of
from mongolock_async._protocol.reply import Answer, Reply, View
from mongolock_async._protocol.request import Request, TtlChange
from mongolock_async._settings import milliseconds

from . import adoption, answers, once, sharing
from .claim import claim, hand_over
from .commands import Commands
from .document import Document
from .ear import MemoryEar
from .store import MemoryStore


class MemoryBackend:
    """Carries out each command between two turns of the event loop, so that others may come in between."""

    own_thread = False

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._commands = Commands(store)

    @property
    def full_name(self) -> str:
        """The name of the store."""
        return self._store.full_name

    def bind(self) -> None:
        """See ``Backend``. It goes anywhere."""

    def hurry(self, seconds: float) -> None:
        """See ``Backend``. It always does."""

    async def index(self) -> bool:
        """See ``Backend``. Nothing is cleaned up here."""
        return True

    async def create(self, name: str) -> None:
        """See ``Backend``."""
        self._store.document(name)
        await self._commands.granting(name, lambda document, now, by: document.touch(now, by=by))

    async def claim(self, request: Request, lease: str, *, first: float | None = None) -> Reply:
        """See ``Backend``."""

        def work(document: Document, now: int, by: str) -> Reply:
            return claim(document, now, lease, request, first, by=by)

        self._store.document(request.name)
        return await self._commands.granting(request.name, work, lease) or Reply({})

    async def resize(self, name: str, capacity: int) -> Reply:
        """See ``Backend``."""

        def work() -> Reply:
            document, by = self._store.document(name), self._store.new_command()
            sharing.resize(document, self._store.now_ms, capacity, by=by)
            answer = answers.resized(document, by)
            self._store.tell(name, answer["granted"])
            return Reply(answer)

        return await self._commands.run(work)

    async def finish(self, name: str, lease: str, token: int) -> bool:
        """See ``Backend``."""

        def work(document: Document, now: int, by: str) -> bool:
            once.finish(document, now, lease, token, by=by)
            ours, called = once.finished(document, lease, by)
            self._store.tell(name, called if ours else ())
            return ours

        return await self._commands.granting(name, work) or False

    async def reset(self, name: str) -> bool:
        """See ``Backend``."""

        def work(document: Document, now: int, by: str) -> bool:
            once.reset(document, now, by=by)
            return document.released == by

        return await self._commands.granting(name, work) or False

    async def adopt(self, name: str, lease: str, token: int, new: str) -> Adopted | None:
        """See ``Backend``."""

        def work(document: Document, now: int) -> Adopted | None:
            adoption.adopt(document, now, lease, token, new)
            answer = adoption.adopted(document, now, new, token)
            return None if answer is None else Adopted(answer)

        return await self._commands.on(name, work)

    async def ask(self, name: str, lease: str, *, mutex: bool = False, keeps: bool = False) -> Reply | None:
        """See ``Backend``."""

        def work(document: Document, now: int, by: str) -> Reply:
            document.ask(now, lease, by=by, mutex=mutex, keeps=keeps)
            return Reply(answers.reply(document, lease, now, by=by))

        return await self._commands.granting(name, work, lease)

    async def look(self, name: str, lease: str) -> Reply | None:
        """See ``Backend``."""
        return await self._commands.on(name, lambda document, now: Reply(answers.look(document, lease, now)))

    async def confirm(self, name: str, lease: str, after: object) -> Reply | None:
        """See ``Backend``. Nothing is ever undone here, so that there is no moment to wait for."""
        assert after is None
        return await self.look(name, lease)

    async def renew(self, leases: Mapping[str, tuple[str, int]], within: float) -> set[str]:
        """See ``Backend``."""

        def renew(document: Document, now: int, lease: tuple[str, int]) -> bool:
            stands = document.holds(now, *lease)
            if stands:
                document.renew(now, *lease)
            return stands

        return {lease for lease, _ in await self._commands.on_each(leases, renew, within)}

    async def refresh(self, places: Mapping[str, str], within: float) -> set[str]:
        """See ``Backend``."""

        def refresh(document: Document, now: int, place: str) -> bool:
            stands = document.queues(now, place)
            if stands:
                document.refresh(now, place)
            return stands

        return await self._commands.on_each(places, refresh, within)

    async def prolong(self, name: str, lease: str, token: int, ttl: TtlChange | None = None) -> Reply | None:
        """See ``Backend``."""
        to = {} if ttl is None else {"ttl": milliseconds(ttl.ttl), "number": ttl.number}

        def work(document: Document, now: int) -> Reply:
            document.prolong(now, lease, token, **to)
            return Reply(answers.renewal(document, lease, token, now))

        return await self._commands.on(name, work)

    async def proclaim(self, name: str, lease: str, token: int, value: str, number: int) -> Reply | None:
        """See ``Backend``."""

        def work(document: Document, now: int) -> Reply:
            document.proclaim(now, lease, token, value, number)
            return Reply(answers.renewal(document, lease, token, now))

        return await self._commands.on(name, work)

    async def release(
        self,
        name: str,
        lease: str,
        back: Sequence[str] = (),
        waiter: str | None = None,
        *,
        token: int | None = None,
        mutex: bool = False,
        keeps: bool = False,
    ) -> tuple[bool | None, Reply | None]:
        """See ``Backend``."""

        def work(document: Document, now: int, by: str) -> tuple[bool, Reply]:
            document.release(now, lease, by=by, token=token, back=back, mutex=mutex, keeps=keeps)
            answer: Answer = {"granted": answers.granted(document, by)}
            if waiter is not None:
                answer = answers.reply(document, waiter, now, by=by)
            return document.released == lease, Reply(answer)

        return await self._commands.granting(name, work, waiter) or (False, None)

    async def hand_over(
        self, name: str, lease: str, token: int, request: Request, waiter: str, first: float
    ) -> tuple[bool | None, Reply | None]:
        """See ``Backend``."""

        def work(document: Document, now: int, by: str) -> tuple[bool, Reply]:
            hand_over(document, now, lease, token, waiter, request, first, by=by)
            return document.released == lease, Reply(answers.reply(document, waiter, now, by=by))

        return await self._commands.granting(name, work, waiter) or (False, None)

    async def withdraw(
        self, name: str, lease: str, *, mutex: bool = False, keeps: bool = False
    ) -> Reply | None:
        """See ``Backend``."""
        base = base_of(lease)

        def work(document: Document, now: int, by: str) -> Reply:
            if base is None:
                document.release(now, lease, by=by, mutex=mutex, keeps=keeps)
            else:
                sharing.downgrade(document, now, lease, by=by)
            return Reply(answers.reply(document, base or lease, now, by=by))

        return await self._commands.granting(name, work)

    async def force(self, name: str, token: int | None = None) -> bool:
        """See ``Backend``."""

        def work(document: Document, now: int, by: str) -> bool:
            document.force(now, by=by, token=token)
            return document.released == by

        return await self._commands.granting(name, work) or False

    def transaction(self, session: object) -> NoReturn:
        """See ``Backend``: there are none."""
        raise LockError(f"verify needs the transactions of a replica set; with {session!r}, memory has none")

    async def verify(self, name: str, lease: str, token: int, session: Transaction) -> bool:
        """See ``Backend``: never reached, as there is no transaction to pass."""
        raise LockError(f"{lease}, {token} of {name!r} cannot be verified: memory has no {session!r}")

    async def view(self, name: str) -> View | None:
        """See ``Backend``."""
        return await self._commands.on(name, answers.view)

    async def page(self, prefix: str, after: str | None = None, *, held: bool = False) -> Page:
        """See ``Backend``. One page has them all."""
        assert after is None

        def work() -> Page:
            documents, now = sorted(self._store.documents.items()), self._store.now_ms
            views = [(name, answers.view(one, now)) for name, one in documents if name.startswith(prefix)]
            return [(name, view) for name, view in views if view["holders"] or not held], None

        return await self._commands.run(work)

    def ear(self, member: str, hear: Callable[[Call], None], changed: Callable[[], None]) -> MemoryEar:
        """See ``Backend``. No call is ever missed."""
        del changed
        return MemoryEar(self._store, member, hear)

    async def aclose(self) -> None:
        """See ``Backend``. It keeps nothing."""
