"""Claims that arrive after what was sent later: packets may be held up, and a stopped server finds them."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from secured import running

from mongolock_async import LockBackendError, LockRepository
from mongolock_async.testing import Node, ReplicaSet

pytestmark = pytest.mark.long


class Way:
    """A way to a server, on which the next findAndModify may be held up until it is to be delivered."""

    def __init__(self, node: Node) -> None:
        self.hold_up = False
        self.deliver = asyncio.Event()
        self.delivered = asyncio.Event()
        self._host, port = node.address.split(":")
        self._port = int(port)
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        yield f"mongodb://127.0.0.1:{server.sockets[0].getsockname()[1]}/?directConnection=true"
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.ensure_future(self._carry(reader, writer)))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._host, self._port)
        try:
            answers = asyncio.ensure_future(self._answers(there, writer))
            while data := await reader.read(1 << 20):
                late = self.hold_up and b"findAndModify" in data
                if late:
                    self.hold_up = False
                    await self.deliver.wait()
                back.write(data)
                if late:
                    await back.drain()
                    self.delivered.set()
            await asyncio.sleep(0.5)  # what was sent is carried out, though the client has gone
            answers.cancel()
        finally:
            back.close()
            writer.close()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 20):
                writer.write(data)


@pytest.fixture(scope="module")
def one() -> Iterator[ReplicaSet]:
    with running(ReplicaSet(1)) as one:
        yield one


@pytest.fixture
async def way(one: ReplicaSet) -> Way:
    return Way(one.nodes[0])


@pytest.fixture
async def collection(way: Way, driver: str) -> AsyncIterator[Any]:
    name = f"test_{uuid.uuid4().hex}"
    async with way.open() as uri:
        if driver == "motor":
            motor: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(uri)
            yield motor[name].locks
            await asyncio.to_thread(motor.close)  # it asks the server, and we are on the way to that
        else:
            async with AsyncMongoClient[dict[str, Any]](uri) as client:
                yield client[name].locks


async def free(locks: LockRepository) -> bool:
    await asyncio.sleep(0.5)
    info = await locks.get("cron")
    return info is not None and not info.held and not info.queue


@pytest.mark.parametrize("waits", [False, True])
async def test_a_claim_that_arrives_after_its_repetition_was_released_takes_nothing(
    way: Way,
    locks: LockRepository,
    waits: bool,  # noqa: FBT001 - drawn
) -> None:
    await asyncio.gather(*(locks.obtain(f"connection {number}") for number in range(3)))
    await locks.create("cron")
    way.hold_up = True
    lease = await (locks.acquire("cron") if waits else locks.obtain("cron"))
    assert lease is not None
    assert await lease.release()
    way.deliver.set()
    await way.delivered.wait()
    assert await free(locks)


async def test_a_claim_that_arrives_after_it_was_given_back_takes_nothing(way: Way, make: Any) -> None:
    locks = make(command_timeout=1)
    await asyncio.gather(*(locks.obtain(f"connection {number}") for number in range(3)))
    await locks.create("cron")
    way.hold_up = True
    with pytest.raises(LockBackendError):
        await locks.obtain("cron")
    await locks._member.background.drain()
    way.deliver.set()
    await way.delivered.wait()
    assert await free(locks)


async def test_a_connection_that_knows_of_no_sessions_serves_all_the_same(
    locks: LockRepository, collection: Any, driver: str
) -> None:
    """The driver makes such a one while its node is starting, and keeps it."""
    await locks.create("cron")
    client = collection.database.client
    topology = (client.delegate if driver == "motor" else client)._topology
    for server in topology._servers.values():
        for connection in server.pool.conns:
            connection.supports_sessions = False
    lease = await locks.obtain("cron")
    assert lease is not None
    assert await lease.release()
