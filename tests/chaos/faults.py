"""What is done to servers, network and workers. Each fault ends by itself, and leaves all well behind it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from pymongo.errors import PyMongoError

from mongolock_async.testing import Node

from .cluster import Cluster
from .crew import Crew
from .network import Host, Network


@dataclass
class Faults:
    """Draws faults, and carries them out.

    Attributes:
        chance: where everything that is drawn comes from.
        kinds: which to draw from.
        done: what was done, in order.
    """

    cluster: Cluster
    network: Network
    crew: Crew
    chance: random.Random
    kinds: list[str]
    done: list[str] = field(default_factory=list)

    async def some(self) -> str:
        """One fault, or two at a time."""
        count = min(2 if self.chance.random() < 0.3 else 1, len(self.kinds))
        names = self.chance.sample(self.kinds, count)
        self.done += names
        await asyncio.gather(*(KINDS[name](self) for name in names))
        self.network.heal()
        return " + ".join(names)

    async def kill_primary(self) -> None:
        await self._killed([await self.cluster.working()])

    async def kill_secondary(self) -> None:
        await self._killed([await self._secondary()])

    async def restart_all(self) -> None:
        await self._killed(self.cluster.nodes)

    async def stop_primary(self) -> None:
        await self._stopped(await self.cluster.working())

    async def stop_secondary(self) -> None:
        await self._stopped(await self._secondary())

    async def step_down(self) -> None:
        # Beside another fault it may have no time left for it, or there is no primary any more.
        with contextlib.suppress(PyMongoError):
            await self.cluster.step_down(self.chance.randint(1, 5))

    async def cut_off_primary(self) -> None:
        """Clients still reach it; no other node does."""
        primary = self.cluster.host(await self.cluster.working())
        await self._parted([primary], [host for host in self._nodes if host is not primary])

    async def split(self) -> None:
        """The primary and half of the workers on one side, everybody else on the other."""
        primary = self.cluster.host(await self.cluster.working())
        near = self.chance.choice(self.crew.hosts)
        others = [host for host in (*self._nodes, *self.crew.hosts) if host not in {primary, near}]
        await self._parted([primary, near], others)

    async def lose_the_way(self) -> None:
        """Half of the workers reach the primary no more; everybody else does."""
        await self._parted(
            [self.cluster.host(await self.cluster.working())], [self.chance.choice(self.crew.hosts)]
        )

    async def slow_network(self) -> None:
        self.network.slow(
            self.chance.uniform(0.005, 0.05), self.chance.uniform(0, 0.03), self.chance.uniform(0, 0.03)
        )
        await asyncio.sleep(self.chance.uniform(3, 8))

    async def kill_workers(self) -> None:
        for number in self._workers():
            await self.crew.replace(number)

    async def stop_workers(self) -> None:
        await asyncio.gather(*(self._stopped_worker(number) for number in self._workers()))

    async def fork_workers(self) -> None:
        for number in self._workers():
            self.crew.signal(number, signal.SIGUSR1)

    @property
    def _nodes(self) -> list[Host]:
        return [self.cluster.host(node) for node in self.cluster.nodes]

    async def _secondary(self) -> Node:
        primary = await self.cluster.working()
        return self.chance.choice([node for node in self.cluster.nodes if node is not primary])

    async def _killed(self, nodes: list[Node]) -> None:
        await asyncio.gather(*(node.kill() for node in nodes))
        await asyncio.sleep(self.chance.uniform(0, 3))
        await asyncio.gather(*(node.restart() for node in nodes))

    async def _stopped(self, node: Node) -> None:
        node.stop()
        await asyncio.sleep(self.chance.uniform(1, 10))
        node.resume()

    async def _parted(self, one: list[Host], other: list[Host]) -> None:
        self.network.partition(one, other)
        await asyncio.sleep(self.chance.uniform(2, 8))

    async def _stopped_worker(self, number: int) -> None:
        self.crew.signal(number, signal.SIGSTOP)
        await asyncio.sleep(self.chance.uniform(1, 10))
        self.crew.signal(number, signal.SIGCONT)

    def _workers(self) -> list[int]:
        return self.chance.sample(range(self.crew.size), self.chance.randint(1, self.crew.size // 2))


# After these, locks may be held, or granted to, workers that cannot let go of them.
HIT_WORKERS = {
    "split primary and workers from the rest",
    "workers lose the way to the primary",
    "kill workers",
    "stop workers",
}
KINDS: dict[str, Callable[[Faults], Awaitable[None]]] = {
    "kill the primary": Faults.kill_primary,
    "kill a secondary": Faults.kill_secondary,
    "restart all nodes": Faults.restart_all,
    "stop the primary": Faults.stop_primary,
    "stop a secondary": Faults.stop_secondary,
    "step down": Faults.step_down,
    "cut the primary off": Faults.cut_off_primary,
    "split primary and workers from the rest": Faults.split,
    "workers lose the way to the primary": Faults.lose_the_way,
    "slow network": Faults.slow_network,
    "kill workers": Faults.kill_workers,
    "stop workers": Faults.stop_workers,
    "fork workers": Faults.fork_workers,
}
