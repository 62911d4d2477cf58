"""What a caller asks for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mongolock_async._settings import Owner


@dataclass(frozen=True, slots=True)
class TickRequest:
    """A boundary to claim: the current one, if it is later than ``after_ms`` and not served yet."""

    period_ms: int
    after_ms: int


@dataclass(frozen=True, slots=True)
class Request:
    """A claim of a lock; with ``tick``, the claim of a boundary."""

    name: str
    owner: Owner
    ttl: float
    keep_alive: bool = False
    weight: int = 1
    capacity: int = 1
    tick: TickRequest | None = None

    def ticking(self, period_ms: int, after_ms: int) -> Request:
        """The same, for a boundary."""
        return replace(self, tick=TickRequest(period_ms, after_ms))

    def shortened(self, ttl: float) -> Request:
        """The same, with a ttl that is not longer than this."""
        return replace(self, ttl=min(self.ttl, ttl))
