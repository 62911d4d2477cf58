"""What is done once: its outcome is written under the lease, and taken back."""

from __future__ import annotations

import asyncio

from mongolock_async._errors import LockBackendError

from .backend import Backend
from .background import Background
from .holding import FORCED, RELEASED, Holding
from .leases import Leases
from .lifetime import Lifetime
from .waiting import Waiting


class Once:
    """Of one member."""

    def __init__(
        self, backend: Backend, leases: Leases, waiting: Waiting, background: Background, lifetime: Lifetime
    ) -> None:
        self._backend = backend
        self._leases = leases
        self._waiting = waiting
        self._background = background
        self._lifetime = lifetime

    async def finish(self, holding: Holding) -> None:
        """It is done. The lease is over, whatever the answer is.

        Raises:
            LeaseLostError: the lease was over before: it is not done.
            LockBackendError: it may be done, or not.
        """
        if not holding.held:
            raise holding.loss()
        holding.end(RELEASED)
        finishing = holding.releasing = self._background.spawn(self._finish(holding))
        holding.story.ends_with(finishing)
        if not await asyncio.shield(finishing):
            raise holding.loss(FORCED)

    async def reset(self, name: str) -> bool:
        """It is to be done again; whether it was done."""
        self._lifetime.check()
        return await self._background.finish(self._backend.reset(name))

    async def _finish(self, holding: Holding) -> bool:
        try:
            done = await self._backend.finish(holding.name, holding.id, holding.fencing_token)
        except LockBackendError:
            self._leases.withdrawals.soon(holding.name, holding.id)  # if it is not done, others may try
            raise
        self._waiting.released(holding.name)
        return done
