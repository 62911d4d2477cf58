"""What a caller asks for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mongolock_async._settings import Owner

from .reply import View

# Later than any date, and still one.
NEVER_MS = 2**47


@dataclass(frozen=True, slots=True)
class TickRequest:
    """A boundary to claim, ``due_ms``: it is granted until ``until_ms``, and remembered for ``kept_ms``.

    With a period, it is the first one of many: the one that lasts when the claim is carried out is granted.
    """

    due_ms: int
    until_ms: int
    kept_ms: int
    period_ms: int | None = None


# It is never granted, and so asks for the time alone, and for the last boundary that was served.
NO_TICK = TickRequest(NEVER_MS, NEVER_MS, 0)


@dataclass(frozen=True, slots=True)
class TtlChange:
    """Another ttl for a lease: seconds, and the number of the change, which grows with each of this lease.

    So a change that is held up on its way undoes no later one.
    """

    number: int
    ttl: float


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

    def ticking(self, tick: TickRequest) -> Request:
        """The same, for a boundary."""
        return replace(self, tick=tick)

    def named(self, name: str) -> Request:
        """The same, of another lock."""
        return replace(self, name=name)

    def is_refused_by(self, lock: View) -> bool:
        """Whether a lock that looks so would refuse it: somebody waits, or there is no room for all of it."""
        taken = sum(holder["weight"] for holder in lock["holders"])
        fits = lock["capacity"] == self.capacity and taken + self.weight <= self.capacity
        return bool(lock["queue"]) or (taken > 0 and not fits)

    def shortened(self, ttl: float) -> Request:
        """The same, with a ttl that is not longer than this."""
        return replace(self, ttl=min(self.ttl, ttl))
