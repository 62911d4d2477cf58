"""One renewal loop for all leases of a session. It knows held, lost and unknown, and no MongoDB."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextvars import Context
from typing import Protocol

logger = logging.getLogger("mongolock_async")

BATCH = 1000
# Renewals are this many to a ttl: two may fail before the lease is in danger.
PER_TTL = 3
RETRIES_PER_TTL = 12


class Renewable(Protocol):
    """A lease, as far as the loop is concerned."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def ttl(self) -> float: ...
    @property
    def remaining(self) -> float: ...

    def confirm(self, sent: float, remaining: float) -> None: ...
    def end(self, reason: str) -> None: ...


# (name -> lease id, seconds within which to answer) -> the ids that still stand
Renew = Callable[[Mapping[str, str], float], Awaitable[set[str]]]


class KeepAlive:
    """Renews what was added until it is discarded, in batches, all of it at a time.

    Args:
        renew: renews a batch. If it raises, the outcome is unknown, and it is asked again soon.
        clock: seconds; the same clock as that of ``Renewable.confirm``.
        lost: the reason given to a lease that does not stand any more.
    """

    def __init__(self, renew: Renew, clock: Callable[[], float], lost: str) -> None:
        self._renew = renew
        self._clock = clock
        self._lost = lost
        self._kept: dict[str, Renewable] = {}
        self._shortest = float("inf")
        self._shorter = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add(self, lease: Renewable) -> None:
        """Keep it alive from now on."""
        self._kept[lease.id] = lease
        if lease.ttl < self._shortest:
            self._shortest = lease.ttl
            self._shorter.set()
        if self._task is None or self._task.done():
            # An empty context: a pymongo.timeout() around the caller must not govern the loop.
            self._task = asyncio.get_running_loop().create_task(self._run(), context=Context())

    def discard(self, lease: Renewable) -> None:
        """Never renew it again."""
        self._kept.pop(lease.id, None)

    async def aclose(self) -> None:
        """Stop."""
        self._kept.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        pause = self._period()
        while self._kept:
            self._shorter.clear()
            try:
                async with asyncio.timeout(pause):
                    await self._shorter.wait()
                known = True
            except TimeoutError:
                known = await self._round()
            pause = self._period() if known else self._period() * PER_TTL / RETRIES_PER_TTL

    def _period(self) -> float:
        self._shortest = min((lease.ttl for lease in self._kept.values()), default=float("inf"))
        return self._shortest / PER_TTL

    async def _round(self) -> bool:
        """Renew everything once; whether the outcome is known throughout."""
        known = True
        for batch in _batches(list(self._kept.values())):
            sent = self._clock()
            try:
                held = await self._renew(
                    {name: lease.id for name, lease in batch.items()}, self._limit(batch)
                )
            except Exception as error:  # noqa: BLE001 - whatever it was, the other leases need the loop
                logger.warning("renewal of %d leases: %s; trying again", len(batch), type(error).__name__)
                known = False
                continue
            for lease in batch.values():
                if lease.id in held:
                    lease.confirm(sent, lease.ttl)
                elif lease.id in self._kept:
                    lease.end(self._lost)
        return known

    def _limit(self, batch: dict[str, Renewable]) -> float:
        """As long as the shortest lease has left; a lease that is all but over stops no others."""
        return max(min(lease.remaining for lease in batch.values()), self._shortest / PER_TTL)


def _batches(leases: list[Renewable]) -> Iterator[dict[str, Renewable]]:
    """At most 1,000 names each, and no name twice: the count of documents is the count of leases."""
    while leases:
        batch: dict[str, Renewable] = {}
        rest: list[Renewable] = []
        for lease in leases:
            if len(batch) < BATCH and lease.name not in batch:
                batch[lease.name] = lease
            else:
                rest.append(lease)
        yield batch
        leases = rest
