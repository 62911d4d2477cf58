"""What is compared: ours on both drivers, the floor that MongoDB sets, and the peers."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import time
from collections.abc import Callable
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient, MongoClient, WriteConcern

from mongolock_async import Lease, LockRepository

NAME = "benchmark"


def connect(driver: str, uri: str, **options: Any) -> Any:  # noqa: ANN401 - the client of either driver
    """A client that waits for a majority, as our claims do."""
    if driver == "motor":
        motor: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(uri, w="majority", **options)
        return motor
    return AsyncMongoClient[dict[str, Any]](uri, w="majority", **options)


async def disconnect(client: Any) -> None:  # noqa: ANN401 - the client of either driver
    """PyMongo's close is awaited, Motor's is not."""
    closing = client.close()
    if closing is not None:
        await closing


class Contender:
    """A lock that one process takes and frees."""

    async def open(self) -> None:
        """Connect."""

    async def close(self) -> None:
        """Disconnect."""

    async def acquire(self) -> None:
        """Wait for the lock."""
        raise NotImplementedError

    async def release(self) -> None:
        """Free it."""
        raise NotImplementedError

    async def write(self) -> None:
        """One bare majority write."""
        raise NotImplementedError

    async def hear(self) -> None:
        """The change event of the next one."""
        raise NotImplementedError


class Ours(Contender):
    """mongolock_async, and the bare write and event beside it, by the same client."""

    def __init__(self, driver: str, uri: str) -> None:
        self._client = connect(driver, uri)
        self._driver = driver
        self._locks = LockRepository(self._client[NAME].locks, ttl=60)
        self._bare = self._client[NAME].get_collection(
            f"bare_{driver}", write_concern=WriteConcern("majority")
        )
        self._stream: Any = None
        self._lease: Lease | None = None

    async def open(self) -> None:
        """Also the stream of the floor, where there is one."""
        await self._locks.create(self._driver)
        if (await self._client.admin.command("hello")).get("setName") is not None:
            stream = self._bare.watch()
            self._stream = stream if self._driver == "motor" else await stream
            await self._stream.__aenter__()

    async def close(self) -> None:
        """Also the stream."""
        if self._stream is not None:
            await self._stream.close()
        await self._locks.aclose()
        await disconnect(self._client)

    async def acquire(self) -> None:
        """Wait; kept alive, as ``async with`` does."""
        self._lease = await self._locks.acquire(self._driver, keep_alive=True)

    async def release(self) -> None:
        """Free it."""
        assert self._lease is not None
        if not await self._lease.release():
            raise RuntimeError("the lease was lost")

    async def write(self) -> None:
        """One bare majority write."""
        await self._bare.update_one({"_id": NAME}, {"$set": {"at": time.monotonic_ns()}}, upsert=True)

    async def hear(self) -> None:
        """The change event of the next one."""
        while await self._stream.try_next() is None:
            pass


class Redis(Contender):
    """redis-py's asyncio lock, with its defaults."""

    def __init__(self, uri: str) -> None:
        import redis.asyncio  # noqa: PLC0415 - only where it is compared

        self._client = redis.asyncio.Redis.from_url(uri)
        self._lock = self._client.lock(NAME, timeout=60)

    async def close(self) -> None:
        """Disconnect."""
        await self._client.aclose()

    async def acquire(self) -> None:
        """Wait: it polls."""
        await self._lock.acquire()

    async def release(self) -> None:
        """Free it."""
        await self._lock.release()


class Mongoelector(Contender):
    """mongoelector's lock, with its defaults; it blocks, and so has a thread."""

    def __init__(self, uri: str) -> None:
        from mongoelector import MongoLocker  # noqa: PLC0415 - only where it is compared

        self._client: MongoClient[dict[str, Any]] = MongoClient(uri, w="majority")
        self._lock = MongoLocker(NAME, self._client[NAME], ttl=60)

    async def close(self) -> None:
        """Disconnect."""
        self._client.close()

    async def acquire(self) -> None:
        """Wait: it polls."""
        await asyncio.to_thread(self._lock.acquire)

    async def release(self) -> None:
        """Free it."""
        await asyncio.to_thread(self._lock.release)


CONTENDERS: dict[str, Callable[[str], Contender]] = {
    "pymongo": lambda uri: Ours("pymongo", uri),
    "motor": lambda uri: Ours("motor", uri),
    "redis-py": Redis,
    "mongoelector": Mongoelector,
}


def missing(peer: str) -> str | None:
    """Why a peer cannot be compared here; None: it can."""
    if importlib.util.find_spec({"redis-py": "redis"}.get(peer, peer)) is None:
        return "not installed: pip install -e '.[bench]'"
    if peer == "redis-py" and shutil.which("redis-server") is None:
        return "no redis-server on PATH"
    return None
