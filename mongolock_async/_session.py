"""One repository in one process: it takes leases, keeps them, and gives them back."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import os
import secrets
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

from . import _clock
from ._document import Grant, Holder, Reply
from ._errors import LeaseLostError, LockBackendError, LockError, LockTimeoutError
from ._holding import CLOSED, RELEASED, SLOW, TAKEN, Holding
from ._keepalive import KeepAlive, Renewable
from ._request import Request
from ._store import Store
from ._waiting import Backoff

logger = logging.getLogger("mongolock_async")

# Seconds until an index that could not be made for want of a server is tried again.
INDEX_AGAIN = 10.0

T = TypeVar("T")


class Session:
    """The leases of one process and one repository; its id is the prefix of all their ids."""

    def __init__(self, store: Store) -> None:
        self.id = secrets.token_hex(8)
        self._store = store
        self._keep_alive = KeepAlive(store.renew_many, _clock.now, TAKEN, self._forget_soon)
        self._numbers = itertools.count(1)
        self._holdings: dict[str, Holding] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._indexing: asyncio.Task[None] | None = None
        self._index_due = -math.inf
        self._closed = False
        self._pid = os.getpid()

    async def claim(self, request: Request) -> tuple[Holding | None, Reply]:
        """Ask once. A caller that is cancelled meanwhile gets nothing, and leaves nothing behind."""
        self.check_usable()
        task = self._spawn(self._claim(request))
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            self._spawn(self._undo(task), context=Context())
            raise
        return task.result()

    async def acquire(self, request: Request, timeout: float | None) -> Holding:
        """Ask until the lock is free."""
        backoff = Backoff()
        holder: Holder | None = None
        try:
            async with asyncio.timeout(timeout) as scope:
                while True:
                    holding, reply = await self.claim(request)
                    if holding is not None:
                        return holding
                    holder = next(iter(reply.holders), None)
                    await asyncio.sleep(backoff.pause(reply.next_expiry))
        except TimeoutError as error:
            if timeout is None or not scope.expired():
                raise
            owner, age = (holder.owner, holder.age) if holder else (None, None)
            raise LockTimeoutError(request.name, timeout, owner, age) from error

    async def release(self, holding: Holding) -> bool:
        """Whether it was still ours. It is not held from here on, whatever the server answers."""
        if holding.given_back:
            return False
        self.check_usable(closing=True)
        held = holding.held
        holding.end(RELEASED)
        was_held = await self._finish(self._release(holding))
        return held if was_held is None else was_held

    async def renew(self, holding: Holding) -> bool:
        """Whether it is still ours, now for its whole ttl."""
        self.check_usable()
        if holding.ended is not None:
            return False
        sent = _clock.now()
        reply = await self._store.renew(holding.name, holding.id)
        grant = reply.grant if reply is not None else None
        if grant is None:
            holding.end(TAKEN)
            return False
        holding.confirm(sent, grant.remaining)
        return holding.held

    async def index(self) -> None:
        """Make the TTL index, once; where that fails for now, again after a while."""
        if _clock.now() >= self._index_due:
            self._indexing = self._indexing or self._spawn(self._index(), context=Context())
            await asyncio.wait([self._indexing])

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
        await self._drain()
        await self._keep_alive.aclose()
        for holding in list(self._holdings.values()):
            holding.end(CLOSED)
            self._forget_soon(holding)
        await self._drain()

    async def _index(self) -> None:
        made = await self._store.make_index()
        self._index_due = math.inf if made else _clock.now() + INDEX_AGAIN
        self._indexing = None

    async def _claim(self, request: Request) -> tuple[Holding | None, Reply]:
        await self.index()
        lease_id = f"{self.id}.{next(self._numbers)}"
        pipeline, projection = request.command(lease_id)
        try:
            sent = _clock.now()
            reply = await self._store.claim(request.name, pipeline, projection)
            grant = reply.grant
            if grant is not None and _clock.now() - sent > request.ttl / 2:
                sent, grant = await self._confirm(request.name, lease_id)
        except LockBackendError:
            # It may have been granted all the same.
            self._spawn(self._forget(request.name, lease_id), context=Context())
            raise
        if grant is None:
            if reply.capacity != request.capacity:
                raise LockError(f"{request.name!r} is in use with capacity {reply.capacity}")
            return None, reply
        holding = self._hold(request, lease_id, grant, sent)
        if holding.ended is not None:
            self._forget_soon(holding)
            raise LeaseLostError(holding.name, holding.owner, holding.fencing_token, SLOW)
        return holding, reply

    async def _confirm(self, name: str, lease_id: str) -> tuple[float, Grant | None]:
        """An answer that came late, after a failover for instance, says little about what is left."""
        sent = _clock.now()
        renewed = await self._store.renew(name, lease_id)
        return sent, renewed.grant if renewed is not None else None

    def _hold(self, request: Request, lease_id: str, grant: Grant, sent: float) -> Holding:
        holding = Holding(lease_id, request.name, request.owner, grant.fencing_token, request.ttl, self)
        self._holdings[lease_id] = holding
        holding.on_end(self._let_go)
        holding.confirm(sent, grant.remaining)
        if request.keep_alive and holding.held:
            self._keep_alive.add(holding)
        return holding

    def _let_go(self, holding: Holding) -> None:
        self._keep_alive.discard(holding)
        self._holdings.pop(holding.id, None)
        if holding.ended not in {RELEASED, CLOSED}:
            logger.warning("lease of %r is lost: %s", holding.name, holding.ended)

    async def _release(self, holding: Holding) -> bool | None:
        was_held = await self._store.release(holding.name, holding.id)
        holding.given_back = True
        return was_held

    async def _undo(self, claim: asyncio.Task[tuple[Holding | None, Reply]]) -> None:
        await asyncio.wait([claim])
        if not claim.cancelled() and claim.exception() is None and (holding := claim.result()[0]):
            holding.end(RELEASED)
            await self._forget(holding.name, holding.id)

    def _forget_soon(self, lease: Renewable) -> None:
        self._spawn(self._forget(lease.name, lease.id), context=Context())

    async def _forget(self, name: str, lease_id: str) -> None:
        try:
            await self._store.release(name, lease_id)
        except LockError as error:
            logger.warning("a lease of %r was not given back; it expires by itself: %s", name, error)

    async def _finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it to its end, also if the caller is cancelled, or its pymongo.timeout() is over."""
        task = self._spawn(work, context=Context())
        await asyncio.wait([task])
        return task.result()

    def _spawn(self, work: Coroutine[Any, Any, T], context: Context | None = None) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may be gone; nobody else would ask

    async def _drain(self) -> None:
        while self._tasks:
            await asyncio.wait(list(self._tasks))
