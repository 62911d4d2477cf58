"""Transactions that commit only under a lease."""

from __future__ import annotations

from .backend import Backend
from .holding import EXPIRED, FORCED, Holding
from .leases import Leases
from .lifetime import Lifetime


class Verification:
    """Of one member."""

    def __init__(self, backend: Backend, leases: Leases, lifetime: Lifetime) -> None:
        self._backend = backend
        self._leases = leases
        self._lifetime = lifetime

    async def verify(self, holding: Holding, session: object) -> None:
        """Bind a transaction to the lease; the loop leaves the lease alone until it is over."""
        self._lifetime.check()
        transaction = holding.transaction = self._backend.transaction(session)
        await self._leases.keep_alive.settle(holding)
        token = holding.fencing_token
        if holding.held and not await self._backend.verify(holding.name, holding.id, token, transaction):
            holding.end(FORCED if holding.held else EXPIRED)
        if not holding.held:
            raise holding.loss()
