"""What leaders tell all."""

from __future__ import annotations

import itertools

from .backend import Backend
from .background import Background
from .holding import FORCED, TAKEN, Holding
from .lifetime import Lifetime


class Proclamations:
    """Of one member."""

    def __init__(self, backend: Backend, background: Background, lifetime: Lifetime) -> None:
        self._backend = backend
        self._background = background
        self._lifetime = lifetime
        self._numbers = itertools.count(1)

    async def proclaim(self, holding: Holding, value: str) -> bool:
        """Whether it is still ours, now with another value."""
        self._lifetime.check()
        if holding.ended is not None:
            return False
        number, token = next(self._numbers), holding.fencing_token
        reply = await self._background.finish(
            self._backend.proclaim(holding.name, holding.id, token, value, number)
        )
        if reply is None or reply.grant is None:
            holding.end(TAKEN if reply is not None and reply.holders else FORCED)
        return holding.held
