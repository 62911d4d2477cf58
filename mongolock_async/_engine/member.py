"""One repository in one process: it takes leases, keeps them, and releases them."""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextvars import Context

from mongolock_async._errors import LeaseLostError, LockError
from mongolock_async._protocol.reply import Reply
from mongolock_async._protocol.request import Request

from . import clock as clocks
from .backend import Backend, Renewals
from .background import Background
from .clock import Clock
from .holding import EXPIRED, FORCED, RELEASED, Holding
from .leases import Leases
from .lifetime import Lifetime
from .others import Others
from .waiting import Waiting

logger = logging.getLogger("mongolock_async")


class Member:
    """The leases and the waiters of one repository; its id is the prefix of all their lease ids.

    Args:
        backend: where the locks are.
        renewals: what renews leases; ``backend``, or the same collection by another client.
        clock: by which deadlines are judged.
        clock_margin: seconds by which a holder gives up before the server does; None: the default.
    """

    def __init__(
        self, backend: Backend, renewals: Renewals, clock: Clock, clock_margin: float | None
    ) -> None:
        self.id = secrets.token_hex(8)
        self.clock = clock
        self.background = Background()
        self.lifetime = Lifetime(backend, self.background, clock)
        self.leases = Leases(self.id, backend, renewals, self.background, clock, clock_margin)
        self.waiting = Waiting(self.id, backend, self.leases, self.background, clock, self.lifetime)
        self._backend = backend
        self._renewals = renewals
        self._closing: asyncio.Task[None] | None = None

    async def claim(self, request: Request) -> tuple[Holding | None, Reply]:
        """Ask once. A caller that is cancelled meanwhile gets nothing, and leaves nothing behind."""
        await self.lifetime.begin()
        lease_id = self.leases.new_id()
        task = self.background.spawn(self.leases.claim(request, lease_id))
        try:
            sent, reply = await asyncio.shield(task)
        except asyncio.CancelledError:
            self.background.spawn(self.leases.undo(request, lease_id, task))
            raise
        holding = None if reply.grant is None else self.leases.hold(request, lease_id, sent, reply.grant)
        return holding, reply

    async def acquire(self, request: Request, timeout: float | None) -> Holding:
        """Wait until the lock is ours; with a timeout of 0, ask once."""
        if timeout == 0:
            holding, reply = await self.claim(request)
            if holding is not None:
                return holding
            others = Others(self.clock)
            others.see(request.name, reply)
            raise others.too_late(request.name, 0.0)
        self.lifetime.check()
        return await self.waiting.acquire(request, timeout)

    async def release(self, holding: Holding) -> bool:
        """Whether it was still ours. It is not held from here on, whatever the server answers."""
        if holding.released:
            return False
        self.lifetime.check_process()
        held = holding.held
        holding.end(RELEASED)
        was_held = await self.background.finish(self._release(holding))
        return held if was_held is None else was_held

    async def release_within(self, holding: Holding, seconds: float) -> bool | None:
        """As ``release``; None: no word of the server in time. The release goes on in the background then."""
        try:
            async with clocks.timeout(self.clock, seconds):
                return await self.release(holding)
        except (TimeoutError, LockError):
            if seconds > 0:
                logger.warning("release of %r was not confirmed; the lease expires by itself", holding.name)
            return None

    async def end(self, holding: Holding) -> str | None:
        """Release it at the end of a block, if that was not done; why it was lost, or None."""
        if holding.ended == RELEASED:
            return None
        lost, held = holding.ended, holding.held
        released = await self.release_within(holding, holding.remaining)
        if lost is None and (released is False or (released is None and not held)):
            lost = FORCED if released is False and held else EXPIRED
        return lost

    async def renew(self, holding: Holding, ttl: float | None = None) -> bool:
        """Whether it is still ours, now for its whole ttl, or for another one."""
        self.lifetime.check()
        return holding.ended is None and await self.background.finish(self.leases.renew(holding, ttl))

    async def locked(self, request: Request) -> bool:
        """Whether a claim would be refused now."""
        self.lifetime.check()
        lock = await self.background.finish(self._backend.view(request.name))
        return lock is not None and request.is_refused_by(lock)

    async def verify(self, holding: Holding, session: object) -> None:
        """Bind a transaction to the lease; the loop leaves the lease alone until it is over."""
        self.lifetime.check()
        transaction = holding.transaction = self._backend.transaction(session)
        await self.leases.keep_alive.settle(holding)
        if holding.held and not await self._backend.verify(holding.name, holding.id, transaction):
            holding.end(FORCED if holding.held else EXPIRED)
        if not holding.held:
            reason = holding.ended or EXPIRED
            raise LeaseLostError(holding.name, holding.owner, holding.fencing_token, reason)

    async def aclose(self) -> None:
        """Stop renewing, release what is held, and wait for what is under way."""
        self.lifetime.check_process()
        self.lifetime.close()
        # A caller that is cancelled does not stop it half-way.
        self._closing = self._closing or asyncio.create_task(self._close(), context=Context())
        await asyncio.wait([self._closing])

    async def _close(self) -> None:
        await self.waiting.aclose()
        await self.background.drain()
        await self.leases.aclose()
        await self.background.drain()
        await self._backend.aclose()
        if self._renewals is not self._backend:
            await self._renewals.aclose()

    async def _release(self, holding: Holding) -> bool | None:
        """Those who wait elsewhere come first; where there are none, our own next hears by the answer."""
        if giver := self.waiting.take_over(holding):
            was_held = await giver.released
            holding.released = True
            return was_held
        places = self.waiting.places(holding.name)
        alone = places and places[0].keep_alive and not self.waiting.others.crowded(holding.name)
        waiter = places[0] if alone else None
        back = [place.id for place in places] if holding.exclusive else []
        sent = self.clock.now()
        waiter_id = None if waiter is None else waiter.id
        was_held, reply = await self._backend.release(holding.name, holding.id, back, waiter_id)
        holding.released = True
        if waiter is not None and reply is not None and reply.grant is not None:
            waiter.granted(sent, reply.grant)
        self.waiting.released(holding.name)
        return was_held
