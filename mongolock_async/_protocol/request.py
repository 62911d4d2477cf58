"""What a caller asks for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mongolock_async._settings import Owner, milliseconds

from .kind import READER, UPGRADABLE, WRITER, Kind, Size
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
    """A claim of a lock; with ``tick``, the claim of a boundary.

    ``capacity`` None: the one that is stored. ``at_least``: seconds from its grant for which the name stays
    taken. ``value``: what its holder tells all, as in an election.
    """

    name: str
    owner: Owner
    ttl: float
    keep_alive: bool = False
    weight: int = 1
    capacity: int | None = 1
    tick: TickRequest | None = None
    kind: Kind = "mutex"
    at_least: float | None = None
    value: str = ""

    @property
    def size(self) -> Size:
        """How much of which kind of lock."""
        return Size(self.kind, self.weight, self.capacity)

    @property
    def mutex(self) -> bool:
        """Whether nobody shares the lock."""
        return self.kind == "mutex"

    @property
    def at_least_ms(self) -> int | None:
        """For how long from its grant the name stays taken; None: no longer than it is held."""
        return None if self.at_least is None else milliseconds(self.at_least)

    @property
    def whole(self) -> bool:
        """Whether it takes all there is."""
        return self.weight == self.capacity

    @property
    def shared(self) -> bool:
        """Whether others may hold the lock beside it; a semaphore may be given more capacity at any time."""
        return self.kind == "semaphore" or not self.whole

    @property
    def is_made_whole(self) -> bool:
        """Whether its renewals make a grant whole; ``at_least`` begins with a question."""
        return self.keep_alive and self.at_least is None

    @property
    def reads(self) -> bool:
        """Whether it is a reader, and nothing else."""
        return self.kind == "rwlock" and self.weight == READER

    @property
    def upgrades(self) -> bool:
        """Whether it is for more of a lease that is held already."""
        return self.kind == "rwlock" and self.weight == WRITER - UPGRADABLE

    @property
    def upgradable(self) -> bool:
        """Whether its lease can be upgraded."""
        return self.kind == "rwlock" and self.weight == UPGRADABLE

    def sized(self, size: Size) -> Request:
        """The same, of so much of such a lock."""
        return replace(self, kind=size.kind, weight=size.weight, capacity=size.capacity)

    def kept(self, *, keep_alive: bool) -> Request:
        """The same, and whether its lease is to be renewed."""
        return replace(self, keep_alive=keep_alive)

    def upgrade(self) -> Request:
        """The claim of all that there is beside an upgradable reader."""
        return replace(self, weight=WRITER - UPGRADABLE, keep_alive=True, at_least=None)

    def ticking(self, tick: TickRequest) -> Request:
        """The same, for a boundary."""
        return replace(self, tick=tick)

    def named(self, name: str) -> Request:
        """The same, of another lock."""
        return replace(self, name=name)

    def is_refused_by(self, lock: View) -> bool:
        """Whether a lock that looks so would refuse it: somebody waits, or there is no room for all of it."""
        taken, capacity = sum(holder["weight"] for holder in lock["holders"]), lock["capacity"]
        same = lock.get("kind") == self.kind and self.capacity in {None, capacity}
        fits = same and taken + self.weight <= capacity
        return (
            lock.get("kind") == "done"
            or bool(lock["queue"])
            or ((taken > 0 or self.capacity is None) and not fits)
        )

    def shortened(self, ttl: float) -> Request:
        """The same, with a ttl that is not longer than this."""
        return replace(self, ttl=min(self.ttl, ttl))
