"""What a caller asks for, and the command that it becomes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from . import _projection, _protocol
from ._expressions import Stage
from ._settings import Owner, milliseconds


@dataclass(frozen=True, slots=True)
class TickRequest:
    """A boundary to claim: the current one, if it is later than ``after_ms`` and not served yet."""

    period_ms: int
    after_ms: int


@dataclass(frozen=True, slots=True)
class Request:
    """A claim; with ``tick``, the claim of a boundary."""

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

    def command(self, lease: str, *, wait: bool = False) -> tuple[list[Stage], Stage]:
        """Pipeline and projection; ``wait``: a claim that is not granted stays in the queue."""
        ttl_ms = milliseconds(self.ttl)
        if self.tick is None:
            pipeline = _protocol.claim(
                lease,
                owner=self.owner,
                ttl_ms=ttl_ms,
                weight=self.weight,
                capacity=self.capacity,
                wait=wait,
            )
            return pipeline, _projection.reply(lease)
        period_ms, after_ms = self.tick.period_ms, self.tick.after_ms
        pipeline = _protocol.claim_tick(
            lease, owner=self.owner, ttl_ms=ttl_ms, period_ms=period_ms, after_ms=after_ms
        )
        return pipeline, _projection.reply_tick(lease, period_ms=period_ms)
