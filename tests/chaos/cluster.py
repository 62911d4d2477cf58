"""Three mongod nodes on three hosts of ours, each with a clock of its own."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pymongo
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from mongolock_async.testing import Node, ReplicaSet

from .network import Host

PROBE = 0.5


def clock_unavailable() -> str | None:
    """Why no process can be given a clock of its own; None: it can."""
    return None if shutil.which("faketime") else "needs faketime (Debian: faketime)"


def clock(offset: str) -> list[str]:
    """A command that starts another one whose wall clock is off; the monotonic clock stays true.

    ``"+0.2"`` is ahead by 0.2 s, ``"+0 x1.01"`` runs fast by 1 %.
    """
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return [
        "env",
        f"LD_PRELOAD={library}",
        f"FAKETIME={offset}",
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
        # With that workaround, for older versions of glibc, every wait of a mongod takes 0.1 s longer.
        "FAKETIME_FORCE_MONOTONIC_FIX=0",
    ]


class Cluster(ReplicaSet):
    """A replica set on hosts of a network.

    Args:
        hosts: one for each node.
        clocks: how each node's wall clock is off (``clock``); empty: not at all.
    """

    def __init__(self, hosts: Sequence[Host], clocks: Sequence[str] = ()) -> None:
        super().__init__(len(hosts))
        self._hosts = hosts
        self._clocks = clocks
        self._probes = 0
        self._clients: dict[Node, AsyncMongoClient[dict[str, Any]]] = {}

    def host(self, node: Node) -> Host:
        """Where a node stands."""
        return self._hosts[self.nodes.index(node)]

    async def works(self) -> Node | None:
        """The node that a majority follows: it has just acknowledged a write; None: no node does."""
        done = await asyncio.gather(*map(self._write, self.nodes))
        return next((node for node, written in zip(self.nodes, done, strict=True) if written), None)

    async def working(self) -> Node:
        """The same; waits until there is one."""
        while (node := await self.works()) is None:
            await asyncio.sleep(0.05)
        return node

    async def step_up(self, node: Node) -> None:
        """Make it the primary."""
        while await self.works() is not node:
            try:
                await node.command("replSetStepUp")
            except PyMongoError:
                await asyncio.sleep(0.1)

    async def _stop(self) -> None:
        for client in self._clients.values():
            await client.close()
        await super()._stop()

    async def _write(self, node: Node) -> bool:
        if not node.alive:
            return False
        if node not in self._clients:
            self._clients[node] = AsyncMongoClient(node.uri, w="majority")
        self._probes += 1
        try:
            with pymongo.timeout(PROBE):
                await self._clients[node].chaos.probes.update_one(
                    {"_id": 0}, {"$set": {"n": self._probes}}, upsert=True
                )
        except PyMongoError:
            return False
        return True

    def _node(self, number: int, binary: Path, args: Sequence[str]) -> Node:
        host = self._hosts[number]
        clocks = clock(self._clocks[number]) if self._clocks else []
        return Node(binary, args, host=host.address, wrapper=[*host.wrapper, *clocks])
