"""``python -m benchmarks``: starts its own servers, and prints one table.

Each figure is the median of its rounds. What is compared takes turns within one run, so that what else
the machine does falls on all of it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

from mongolock_async.testing import Mongod, ReplicaSet

from ._alone import cycles, overhead, renewal, waiting
from ._contenders import missing
from ._figures import Figure, plot, table
from ._hand_off import hand_off, throughput
from ._load import load
from ._processes import redis_server
from ._shown import Shown
from ._tasks import tasks

DRIVERS = ("pymongo", "motor")
PEERS = ("redis-py", "mongoelector")
# How many measurements each part has; without mongoelector, `load` has fewer.
PARTS = {"overhead": 5, "hand-off": 10, "tasks": 6, "waiting": 6, "load": 13, "renewal": 2}


async def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=300, help="rounds of each kind (default: 300)")
    parser.add_argument("--only", choices=PARTS, help="one part (default: all)")
    parser.add_argument("--plot", metavar="FILE", help="also draw the times, as a PNG")
    options = parser.parse_args()
    figures: list[Figure] = []
    parts = list(PARTS) if options.only is None else [options.only]
    async with AsyncExitStack() as stack:
        alone = await stack.enter_async_context(Mongod())
        one = await stack.enter_async_context(ReplicaSet(1))
        three = await stack.enter_async_context(ReplicaSet(3))
        peers = {}
        for peer in PEERS:
            if reason := missing(peer):
                print(f"{peer}: {reason}", file=sys.stderr)
            else:
                redis = peer == "redis-py"
                peers[peer] = await stack.enter_async_context(redis_server()) if redis else three.uri
        primary = (await three.primary()).pid
        nodes = {
            "standalone": Served(alone.uri, alone.node.pid),
            "one node": Served(one.uri, one.nodes[0].pid),
            "three nodes": Served(three.uri, primary),
        }
        bench = Bench(nodes, peers, options.rounds)
        with Shown({part: PARTS[part] for part in parts}) as shown:
            for part in parts:
                async for measured in bench.measure(part):
                    figures += measured
                    shown.measured(part)
    print(table(figures))
    if options.plot:
        plot(figures, options.plot)


@dataclass(frozen=True, slots=True)
class Served:
    """A server: where it is, and its process, the primary's of a set."""

    uri: str
    pid: int


@dataclass(frozen=True, slots=True)
class Bench:
    """The servers that are up."""

    nodes: dict[str, Served]
    peers: dict[str, str]
    rounds: int

    def measure(self, part: str) -> AsyncIterator[list[Figure]]:
        """The figures of one part, measurement by measurement."""
        parts = {
            "overhead": self._overhead,
            "hand-off": self._hand_off,
            "tasks": self._tasks,
            "waiting": self._waiting,
            "load": self._load,
            "renewal": self._renewal,
        }
        return parts[part]()

    async def _overhead(self) -> AsyncIterator[list[Figure]]:
        for label in ("standalone", "three nodes"):
            for driver in DRIVERS:
                yield await overhead(label, driver, self.nodes[label].uri, self.rounds)
        beside = {"pymongo": self.three, **self.peers}
        yield await cycles("take and free, beside peers", beside, self.rounds)

    async def _hand_off(self) -> AsyncIterator[list[Figure]]:
        ours = dict.fromkeys(DRIVERS, self.three)
        figures = await hand_off("hand-off, three nodes", ours, self.rounds, floor=True)
        yield figures
        single = dict.fromkeys(DRIVERS, self.nodes["one node"].uri)
        yield await hand_off("hand-off, one node", single, self.rounds, floor=True)
        floors = {figure.who: figure.value for figure in figures}
        for driver in DRIVERS:
            for count in (2, 4, 8):
                yield [await throughput(driver, self.three, count, floors[f"floor ({driver})"])]
        alone = dict.fromkeys(DRIVERS, self.nodes["standalone"].uri)
        yield await hand_off("hand-off, standalone", alone, self.rounds, floor=False)
        beside = {"pymongo": self.three, **self.peers}
        yield await hand_off("hand-off, beside peers", beside, self.rounds // 3 + 1, floor=False)

    async def _waiting(self) -> AsyncIterator[list[Figure]]:
        for driver in DRIVERS:
            for count in (1, 100, 10_000):
                yield [await waiting(driver, self.three, count)]

    async def _tasks(self) -> AsyncIterator[list[Figure]]:
        for label, served in self.nodes.items():
            for driver in DRIVERS:
                yield await tasks(label, driver, served.uri, served.pid)

    async def _load(self) -> AsyncIterator[list[Figure]]:
        async for figure in load(self.nodes["one node"].uri, self.nodes["one node"].pid):
            yield [figure]

    async def _renewal(self) -> AsyncIterator[list[Figure]]:
        for driver in DRIVERS:
            yield [await renewal(driver, self.three)]

    @property
    def three(self) -> str:
        """Where the three nodes are."""
        return self.nodes["three nodes"].uri


if __name__ == "__main__":
    asyncio.run(main())
