"""The claims of those who wait that are just about to be sent: a release may go along with one."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from mongolock_async._protocol.request import Request

from .giver import Giver
from .holding import Holding
from .leases import Claimed, Leases


class Unsent:
    """Of each name one at the most, as one of us claims a mutex at a time. Of other kinds none."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._claims: dict[str, tuple[Request, Giver | None]] = {}

    def claim(self, request: Request, lease_id: str, first: float | None) -> Coroutine[Any, Any, Claimed]:
        """What sends the claim, once its task runs; until then, a release may be added."""
        if first is None or not request.mutex:
            return self._leases.claim(request, lease_id, first=first)
        self._claims[request.name] = request, None
        return self._send(request, lease_id, first)

    def take(self, holding: Holding) -> Giver | None:
        """Have the claim of this name release the lease; None: there is none that could."""
        request, giver = self._claims.get(holding.name, (None, None))
        if request is None or giver is not None or not holding.request.mutex or holding.keeps:
            return None
        giver = Giver(holding)
        self._claims[holding.name] = request, giver
        return giver

    async def _send(self, request: Request, lease_id: str, first: float) -> Claimed:
        _, giver = self._claims.pop(request.name)
        return await self._leases.claim(request, lease_id, first=first, giver=giver)
