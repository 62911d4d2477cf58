"""One repository in one process: it takes leases, keeps them, and gives them back."""

from __future__ import annotations

import asyncio
import os
import secrets
from contextvars import Context

from . import _clock
from ._background import Background
from ._claims import Claims
from ._document import Reply
from ._errors import LeaseLostError, LockError
from ._holding import EXPIRED, FORCED, RELEASED, Holding, check_transaction
from ._index import Index
from ._queue import Queue
from ._request import Request
from ._stats import Stats
from ._store import Store


class Session:
    """The leases of one process and one repository; its id is the prefix of all their ids."""

    def __init__(self, store: Store, renewals: Store, clock_margin: float | None) -> None:
        def margin(ttl: float) -> float:
            return _clock.margin(ttl, clock_margin)

        self.id = secrets.token_hex(8)
        self._store = store
        self._background = Background()
        self._index = Index(store, self._background)
        self._claims = Claims(self.id, store, renewals, self._background, margin, self)
        self._queue = Queue(self.id, store, self._claims, self._background, self.check_usable, self._begin)
        self._closed = False
        self._closing: asyncio.Task[None] | None = None
        self._used = False
        self._pid = os.getpid()

    async def claim(self, request: Request) -> tuple[Holding | None, Reply]:
        """Ask once. A caller that is cancelled meanwhile gets nothing, and leaves nothing behind."""
        await self._begin()
        task = self._background.spawn(self._claims.claim(request, self._claims.new_id()))
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            self._background.spawn(self._claims.undo(task), detached=True)
            raise
        return task.result()

    async def acquire(self, request: Request, timeout: float | None) -> Holding:
        """Wait until the lock is ours; with a timeout of 0, ask once."""
        if timeout == 0:
            holding, reply = await self.claim(request)
            if holding is not None:
                return holding
            raise self._queue.too_late(request.name, 0.0, reply)
        self.check_usable()
        return await self._queue.acquire(request, timeout)

    async def release(self, holding: Holding) -> bool:
        """Whether it was still ours. It is not held from here on, whatever the server answers."""
        if holding.given_back:
            return False
        self.check_usable(closing=True)
        held = holding.held
        holding.end(RELEASED)
        was_held = await self._background.finish(self._release(holding))
        return held if was_held is None else was_held

    async def renew(self, holding: Holding) -> bool:
        """Whether it is still ours, now for its whole ttl."""
        self.check_usable()
        return holding.ended is None and await self._claims.renew(holding)

    async def verify(self, holding: Holding, session: object) -> None:
        """Bind a transaction to the lease; the loop leaves the lease alone until it is over."""
        self.check_usable()
        holding.transaction = check_transaction(session)
        await self._claims.keep_alive.settle(holding)
        if holding.held and not await self._store.verify(holding.name, holding.id, session):
            holding.end(FORCED if holding.held else EXPIRED)
        if not holding.held:
            reason = holding.ended or EXPIRED
            raise LeaseLostError(holding.name, holding.owner, holding.fencing_token, reason)

    def stats(self) -> Stats:
        """What it does, and has done."""
        claims = self._claims
        return Stats(
            held=len(claims.held),
            waiting=self._queue.waiting,
            waits_by=self._queue.mode,
            renewals=claims.keep_alive.renewals,
            losses=claims.losses,
            obtain=claims.obtained.latency(),
            renewal=claims.keep_alive.latency.latency(),
            hand_off=claims.handed.latency(),
        )

    @property
    def is_open(self) -> bool:
        """Whether it was used in this process, and not closed since."""
        return self._used and not self._closed and os.getpid() == self._pid

    async def index(self) -> None:
        """Make the TTL index, unless it is made."""
        await self._index.ensure()

    def check_usable(self, *, closing: bool = False) -> None:
        """Refuse work in a forked child, and after the end."""
        if os.getpid() != self._pid:
            raise LockError("this LockRepository was made before a fork; make a new one in the child")
        if self._closed and not closing:
            raise LockError("this LockRepository is closed")

    async def aclose(self) -> None:
        """Stop the loop, give back what is held, and wait for what is under way."""
        self.check_usable(closing=True)
        self._closed = True
        # A caller that is cancelled does not stop it half-way.
        self._closing = self._closing or asyncio.create_task(self._close(), context=Context())
        await asyncio.wait([self._closing])

    async def _close(self) -> None:
        await self._queue.aclose()
        await self._background.drain()
        await self._claims.aclose()
        await self._background.drain()

    async def _begin(self) -> None:
        self.check_usable()
        self._used = True
        await self._index.ensure()
        self.check_usable()

    async def _release(self, holding: Holding) -> bool | None:
        back = self._queue.standing(holding.name)
        was_held = await self._store.release(holding.name, holding.id, back)
        holding.given_back = True
        self._queue.nudge(holding.name)
        return was_held
