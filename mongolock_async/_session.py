"""One repository in one process: it takes leases, keeps them, and gives them back."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import os
import secrets
from contextvars import Context

from . import _clock
from ._background import Background
from ._document import Grant, Holder, Reply
from ._errors import LeaseLostError, LockBackendError, LockError, LockTimeoutError
from ._holding import CLOSED, EXPIRED, FORCED, RELEASED, SLOW, TAKEN, Holding, check_transaction
from ._keepalive import KeepAlive, Renewable
from ._request import Request
from ._stats import Recorder, Stats
from ._store import Store
from ._waiting import Backoff

logger = logging.getLogger("mongolock_async")

# Seconds until an index that could not be made for want of a server is tried again.
INDEX_AGAIN = 10.0


class Session:
    """The leases of one process and one repository; its id is the prefix of all their ids."""

    def __init__(self, store: Store, renewals: Store, clock_margin: float | None) -> None:
        self.id = secrets.token_hex(8)
        self._store = store
        self._keep_alive = KeepAlive(renewals.renew_many, _clock.now, FORCED, self._forget_soon)
        self._margin = clock_margin
        self._obtained = Recorder()
        self._waiting = 0
        self._losses = 0
        self._numbers = itertools.count(1)
        self._holdings: dict[str, Holding] = {}
        self._background = Background()
        self._indexing: asyncio.Task[None] | None = None
        self._index_due = -math.inf
        self._closed = False
        self._closing: asyncio.Task[None] | None = None
        self._used = False
        self._pid = os.getpid()

    async def claim(self, request: Request) -> tuple[Holding | None, Reply]:
        """Ask once. A caller that is cancelled meanwhile gets nothing, and leaves nothing behind."""
        self.check_usable()
        task = self._background.spawn(self._claim(request))
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            self._background.spawn(self._undo(task), detached=True)
            raise
        return task.result()

    async def acquire(self, request: Request, timeout: float | None) -> Holding:
        """Ask until the lock is free."""
        backoff = Backoff()
        holder: Holder | None = None
        self._waiting += 1
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
        finally:
            self._waiting -= 1

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
        if holding.ended is not None:
            return False
        sent = _clock.now()
        reply = await self._store.renew(holding.name, holding.id)
        grant = reply.grant if reply is not None else None
        if grant is None:
            holding.end(TAKEN if reply is not None and reply.holders else FORCED)
            return False
        holding.confirm(sent, grant.remaining)
        if holding.ended is not None:  # the answer came too late, and the server holds it for nobody
            self._forget_soon(holding)
        return holding.held

    async def verify(self, holding: Holding, session: object) -> None:
        """Bind a transaction to the lease; the loop leaves the lease alone until it is over."""
        self.check_usable()
        holding.transaction = check_transaction(session)
        await self._keep_alive.settle(holding)
        if holding.held and not await self._store.verify(holding.name, holding.id, session):
            holding.end(FORCED if holding.held else EXPIRED)
        if not holding.held:
            reason = holding.ended or EXPIRED
            raise LeaseLostError(holding.name, holding.owner, holding.fencing_token, reason)

    def stats(self) -> Stats:
        """What it does, and has done."""
        return Stats(
            held=len(self._holdings),
            waiting=self._waiting,
            renewals=self._keep_alive.renewals,
            losses=self._losses,
            obtain=self._obtained.latency(),
            renewal=self._keep_alive.latency.latency(),
            hand_off=None,
        )

    @property
    def is_open(self) -> bool:
        """Whether it was used in this process, and not closed since."""
        return self._used and not self._closed and os.getpid() == self._pid

    async def index(self) -> None:
        """Make the TTL index, once; where that fails for now, again after a while."""
        if _clock.now() >= self._index_due:
            self._indexing = self._indexing or self._background.spawn(self._index(), detached=True)
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
        # A caller that is cancelled does not stop it half-way.
        self._closing = self._closing or asyncio.create_task(self._close(), context=Context())
        await asyncio.wait([self._closing])

    async def _close(self) -> None:
        await self._background.drain()
        await self._keep_alive.aclose()
        for holding in list(self._holdings.values()):
            holding.end(CLOSED)
            self._forget_soon(holding)
        await self._background.drain()

    async def _index(self) -> None:
        made = await self._store.make_index()
        self._index_due = math.inf if made else _clock.now() + INDEX_AGAIN
        self._indexing = None

    async def _claim(self, request: Request) -> tuple[Holding | None, Reply]:
        self._used = True
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
            self._background.spawn(self._forget(request.name, lease_id), detached=True)
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
        self._obtained.add(_clock.now() - sent)
        margin = _clock.margin(request.ttl, self._margin)
        holding = Holding(
            lease_id, request.name, request.owner, grant.fencing_token, request.ttl, margin, self
        )
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
            self._losses += 1
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
        self._background.spawn(self._forget(lease.name, lease.id), detached=True)

    async def _forget(self, name: str, lease_id: str) -> None:
        try:
            await self._store.release(name, lease_id)
        except LockError as error:
            logger.warning("a lease of %r was not given back; it expires by itself: %s", name, error)
