"""Leases that go on in another process."""

from __future__ import annotations

import asyncio

from mongolock_async._errors import LockBackendError, LockError
from mongolock_async._protocol.adoption import Adopted

from .backend import Backend
from .background import Background
from .clock import Clock
from .holding import EXPORTED, Holding
from .leases import Leases
from .lifetime import Lifetime
from .listeners import Listeners
from .told import story_of


class Adoption:
    """Of one member."""

    def __init__(
        self,
        backend: Backend,
        leases: Leases,
        background: Background,
        clock: Clock,
        lifetime: Lifetime,
        listeners: Listeners,
    ) -> None:
        self._backend = backend
        self._leases = leases
        self._background = background
        self._clock = clock
        self._lifetime = lifetime
        self._listeners = listeners

    async def export(self, holding: Holding) -> None:
        """It lives for its whole ttl from now on, and is ours no more."""
        self._lifetime.check()
        if holding.ended is None:
            await self._background.finish(self._leases.renew(holding))
        if not holding.held:
            raise holding.loss()
        if holding.upgrade is not None:
            raise LockError(f"the lease of {holding.name!r} is upgraded, or about to be: downgrade it first")
        holding.end(EXPORTED)

    async def adopt(self, name: str, lease: str, token: int, *, keep_alive: bool) -> Holding | None:
        """Go on with a lease that was exported; None: it is over, or another one goes on with it."""
        await self._lifetime.begin()
        new, sent = self._leases.new_id(), self._clock.now()
        adopting = self._background.spawn(self._backend.adopt(name, lease, token, new))
        try:
            adopted = await asyncio.shield(adopting)
        except (asyncio.CancelledError, LockBackendError):
            self._background.spawn(self._undo(name, new, adopting))
            raise
        if adopted is None:
            return None
        request = adopted.request(name, keep_alive=keep_alive)
        holding = self._leases.hold(request, new, sent, adopted.grant)
        story_of(self._listeners, request, began=sent).granted(holding)
        return holding

    async def _undo(self, name: str, new: str, adopting: asyncio.Task[Adopted | None]) -> None:
        """Withdraw what nobody wants."""
        await asyncio.wait([adopting])
        await self._leases.withdrawals.withdraw(name, new, keeps=True)
