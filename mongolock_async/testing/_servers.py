"""Servers for tests: one mongod, or a replica set."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import pymongo
from pymongo import AsyncMongoClient
from pymongo.errors import AutoReconnect, PyMongoError

from ._container import Container
from ._node import Node
from ._source import Binary, Docker, UnavailableError, Uri, find_source

READY_SECONDS = 60.0
LOOK_EVERY = 0.05
SET_NAME = "mongolock"
# A secondary leaves a source that has fallen silent after 2 s; the default, 6 s, is the time in which a new
# primary acknowledges nothing.
QUICK = ("--setParameter", "oplogNetworkTimeoutBufferSeconds=1")

ONE_NODE = (
    "Docker gives a replica set of one node; mongod on PATH or the extra 'embedded' gives one of several"
)


class _Server:
    """A server that lives as long as an ``async with`` block."""

    uri: str
    nodes: list[Node]
    _container: Container | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stop()

    async def _start(self) -> None:
        raise NotImplementedError

    async def _stop(self) -> None:
        await asyncio.gather(*(node.close() for node in self.nodes))
        if self._container is not None:
            await self._container.close()


class Mongod(_Server):
    """``async with Mongod() as server``: one standalone mongod, at ``server.uri``.

    It comes from ``MONGODB_URI``, ``mongod`` on PATH, the wheel of the extra ``embedded``, or Docker,
    in this order. A process or container that was started is gone afterwards, with its data.

    Args:
        args: further arguments for mongod; not for the one at ``MONGODB_URI``.

    Attributes:
        uri: where it serves.
        node: the process: ``kill``, ``stop``, ``resume``, ``restart``; not of a container.
    """

    def __init__(self, args: Sequence[str] = ()) -> None:
        self.uri = ""
        self.nodes = []
        self._args = args

    @property
    def node(self) -> Node:
        """The process.

        Raises:
            RuntimeError: the server is none that we started as a process.
        """
        if not self.nodes:
            raise UnavailableError(f"the server at {self.uri!r} is not a process of ours")
        return self.nodes[0]

    async def _start(self) -> None:
        source = find_source()
        if isinstance(source, Binary):
            self.nodes = [Node(source.path, self._args)]
            await self.node.start()
            self.uri = self.node.uri
        elif isinstance(source, Docker):
            self._container = Container(source.image, self._args)
            await self._container.start()
            self.uri = self._container.uri
        else:
            self.uri = source.uri


class ReplicaSet(_Server):
    """``async with ReplicaSet(3) as servers``: a replica set with a primary, at ``servers.uri``.

    It comes from ``MONGODB_URI``, if that is a replica set, or is started from ``mongod`` on PATH, the
    wheel of the extra ``embedded``, or Docker, which gives a set of one node. Elections are quick: a primary
    is missed after 2 s.

    Args:
        members: how many nodes; not of the set at ``MONGODB_URI``.
        args: further arguments for each mongod; not for those at ``MONGODB_URI``.

    Attributes:
        uri: of the whole set.
        nodes: the processes; empty where ``MONGODB_URI`` or Docker is used.
    """

    def __init__(self, members: int = 3, args: Sequence[str] = ()) -> None:
        self.uri = ""
        self.nodes = []
        self._members = members
        self._args = args

    async def primary(self) -> Node:
        """The node that is primary now; waits until there is one.

        Raises:
            TimeoutError: none within a minute.
            RuntimeError: the nodes are no processes of ours.
        """
        return (await self._in_state("PRIMARY", 1))[0]

    async def secondaries(self) -> list[Node]:
        """All other nodes that are alive and follow the primary now."""
        primary = await self.primary()
        alive = [node for node in self.nodes if node.alive and node is not primary]
        return await self._in_state("SECONDARY", len(alive))

    async def step_down(self, seconds: int = 10) -> None:
        """Make the primary step down; it does not stand for election for so many seconds."""
        node = await self.primary()
        # Some versions close every connection instead of answering.
        with contextlib.suppress(AutoReconnect):
            await node.command({"replSetStepDown": seconds, "secondaryCatchUpPeriodSecs": 1}, force=True)

    async def _start(self) -> None:
        source = find_source()
        if isinstance(source, Uri):
            await self._check_set(source.uri)
            self.uri = source.uri
            return
        args = ["--replSet", SET_NAME, "--oplogSize", "128", *QUICK, *self._args]
        members: Sequence[Node | Container]
        if isinstance(source, Docker):
            if self._members != 1:
                raise UnavailableError(ONE_NODE)
            self._container = Container(source.image, args)
            members = [self._container]
        else:
            members = self.nodes = [self._node(number, source.path, args) for number in range(self._members)]
        await asyncio.gather(*(member.start() for member in members))
        self.uri = await _initiated(members)

    def _node(self, number: int, binary: Path, args: Sequence[str]) -> Node:  # noqa: ARG002 - for subclasses
        return Node(binary, args)

    async def _in_state(self, state: str, count: int) -> list[Node]:
        if not self.nodes:
            raise UnavailableError(f"the servers at {self.uri!r} are not processes of ours")
        return await _in_state(self.nodes, state, count)

    @staticmethod
    async def _check_set(uri: str) -> None:
        async with AsyncMongoClient[dict[str, Any]](uri) as client:
            if "setName" not in await client.admin.command("hello"):
                raise UnavailableError("MONGODB_URI is not a replica set")


Member = TypeVar("Member", bound=Node | Container)


async def _initiated(members: Sequence[Node | Container]) -> str:
    """Make a set of them, and wait until all of it serves; its URI."""
    addresses = [member.address for member in members]
    hosts = [{"_id": number, "host": address} for number, address in enumerate(addresses)]
    settings = {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500}
    config = {"_id": SET_NAME, "members": hosts, "settings": settings}
    await members[0].command({"replSetInitiate": config})
    await _in_state(members, "PRIMARY", 1)
    await _in_state(members, "SECONDARY", len(members) - 1)
    return f"mongodb://{','.join(addresses)}/?replicaSet={SET_NAME}"


async def _in_state(members: Sequence[Member], state: str, count: int) -> list[Member]:
    """Those that are in this state; waits until they are so many."""
    async with asyncio.timeout(READY_SECONDS):
        while True:
            states = await asyncio.gather(*map(_state, members))
            found = [member for member, its in zip(members, states, strict=True) if its == state]
            if len(found) >= count:
                return found
            await asyncio.sleep(LOOK_EVERY)


async def _state(node: Node | Container) -> str:
    """Of a member: PRIMARY, SECONDARY, or anything else."""
    if not node.alive:
        return "DOWN"
    try:
        with pymongo.timeout(1):  # a client that is cancelled while it is closed stays open
            hello = await node.command("hello")
    except PyMongoError:
        return "SILENT"
    return "PRIMARY" if hello.get("isWritablePrimary") else "SECONDARY" if hello.get("secondary") else "OTHER"
