"""Leases as the renewal loop sees them, and a server that renews them as it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial

from mongolock_async._engine.keepalive import KeepAlive
from mongolock_async._engine.renewable import Renewable
from mongolock_async._memory.clock import MemoryClock

# A renewal each second, half a second for an answer, and again a quarter of a second after that.
TTL = 3.0
# Of which the backend has a little less.
LIMIT = 0.9 * TTL / 6

# What a caller may have set, as pymongo.timeout does it.
deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


@dataclass(eq=False)
class Kept:
    """A lease, or a place, that remembers what it was told."""

    id: str
    name: str = ""
    ttl: float = TTL
    kind: str = "lease"
    first: float = 10.0
    resting: bool = False
    alone: bool = False
    confirmed: list[float] = field(default_factory=list)
    over: bool = False

    def __post_init__(self) -> None:
        self.name = self.name or self.id

    @property
    def life(self) -> float:
        return self.first if self.kind == "first" else self.ttl

    def renewed(self, sent: float) -> None:
        self.confirmed.append(sent)
        if self.kind == "first":
            self.kind = "lease"

    def gone(self) -> None:
        self.over = True


class Server:
    """What the loop renews by.

    Attributes:
        takes: lease id -> how long the renewals that begin now take.
        gone: the lease ids that do not stand any more.
        fails: how many renewals are to fail.
        error: by what.
        batches: the lease ids of each renewal.
        kinds: by what each of them was renewed.
        times: when each renewal came.
        limits: how long each was given.
        deadlines: those of callers that govern renewals.
        most: the most that were under way at a time.
        answered: how many have come to their end.
        revived: what the loop says to have revived.
    """

    def __init__(self) -> None:
        self.clock = MemoryClock()
        self.revived: list[Renewable] = []
        ways = {kind: partial(self.renew, kind) for kind in ("lease", "first", "place")}
        self.keeper = KeepAlive(ways, self.clock, self.revived.append)
        self.takes: dict[str, float] = {}
        self.gone: set[str] = set()
        self.fails = 0
        self.error: Exception = OSError("no route to 10.0.0.1")
        self.batches: list[set[str]] = []
        self.kinds: list[str] = []
        self.times: list[float] = []
        self.limits: list[float] = []
        self.deadlines: set[float | None] = set()
        self.most = 0
        self.answered = 0
        self._inside = 0

    def keep(self, *leases: Kept) -> None:
        """Have them renewed."""
        for lease in leases:
            self.keeper.add(lease)

    async def renew(self, kind: str, leases: Sequence[Kept], within: float) -> set[str]:
        """See ``keepalive.Renew``."""
        ids = {lease.id for lease in leases}
        self.batches.append(ids)
        self.kinds.append(kind)
        self.times.append(asyncio.get_running_loop().time())
        self.limits.append(within)
        self.deadlines.add(deadline.get())
        self._inside += 1
        self.most = max(self.most, self._inside)
        await asyncio.sleep(max(self.takes.get(lease, 0.0) for lease in ids))
        self._inside -= 1
        self.answered += 1
        if self.fails:
            self.fails -= 1
            raise self.error
        return ids - self.gone
