"""Whether there was a primary, and whether work went on."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from .cluster import Cluster

EVERY = 0.1
# A probe that a primary answers comes back within this time, also on a busy machine.
OUTAGE = 1.0


class Pulse:
    """Looks ten times a second whether a majority acknowledges a write."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._beats: list[float] = []
        self._task = asyncio.create_task(self._look())

    async def stop(self) -> list[float]:
        """When there was a primary."""
        self._task.cancel()
        await asyncio.wait([self._task])
        return self._beats

    async def _look(self) -> None:
        while True:
            if await self._cluster.works() is not None:
                self._beats.append(time.monotonic())
            await asyncio.sleep(EVERY)


def stalls(begins: Sequence[float], beats: Sequence[float]) -> list[tuple[float, float]]:
    """From one beginning of a section to the next: until when, and for how long of it a primary was there.

    Of a time in which the primary went away, what counts begins when it came back for good.
    """
    found = []
    ordered = sorted(begins)
    for former, later in pairwise(ordered):
        inside = [former, *beats[bisect_left(beats, former) : bisect_left(beats, later)], later]
        back = former
        for one, other in pairwise(inside):
            if other - one > OUTAGE:
                back = other
        found.append((later, later - back))
    return found
