"""What a repository can be made of, and what it pins."""

from __future__ import annotations

from typing import Any

import pytest
from bson.codec_options import CodecOptions, TypeDecoder, TypeRegistry
from bson.int64 import Int64
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from pymongo import AsyncMongoClient, MongoClient, ReadPreference, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.read_concern import ReadConcern
from support import CommandLog

from mongolock_async import Fenced, LockRepository

on_replica_set = pytest.mark.parametrize("uri", ["replica_set"], indirect=True)
on_standalone = pytest.mark.parametrize("uri", ["standalone"], indirect=True)


def not_collections() -> list[Any]:
    blocking = MongoClient[dict[str, Any]](connect=False)
    pymongo = AsyncMongoClient[dict[str, Any]](connect=False)
    return [blocking, blocking.a, blocking.a.b, pymongo, pymongo.a, None, "locks", 7, {}]


@pytest.mark.parametrize("wrong", not_collections(), ids=lambda wrong: type(wrong).__name__)
def test_anything_but_an_async_collection_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError, match="pass an async collection"):
        LockRepository(wrong)


async def test_a_motor_client_or_database_is_a_type_error() -> None:
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(connect=False)
    for wrong in (client, client.a):
        with pytest.raises(TypeError, match="pass an async collection"):
            LockRepository(wrong)  # type: ignore[arg-type]  # that is the point
    client.close()


def masquerade(real: type, own: type) -> Any:
    """One as mongomock_motor makes them: by the name of another class, and as if it were of that."""

    class Mock(own):  # type: ignore[misc]  # any class
        __class__ = property(lambda _: real)

    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(Mock, name, getattr(real, name))
    return Mock()


class AsyncMongoMockCollection:
    """Not really one."""


AsyncMongoMockCollection.__module__ = "mongomock_motor"


@pytest.mark.parametrize("real", [AsyncIOMotorCollection, AsyncCollection])
def test_a_mock_that_says_that_it_is_a_collection_is_a_type_error(real: type) -> None:
    mock: Any = masquerade(real, AsyncMongoMockCollection)
    assert issubclass(mock.__class__, real)
    with pytest.raises(TypeError, match=r"MemoryLocks\(\)\), not mongomock_motor\.AsyncMongoMockCollection"):
        LockRepository(mock)
    with pytest.raises(TypeError, match="MemoryLocks"):
        Fenced(mock, "cron", 1, "_fence")


def test_a_collection_of_a_class_of_ones_own_is_one() -> None:
    class Own(AsyncCollection[dict[str, Any]]):
        pass

    collection = AsyncMongoClient[dict[str, Any]](connect=False).app.locks
    collection.__class__ = Own
    assert repr(LockRepository(collection)) == "<LockRepository app.locks>"


async def test_renewals_need_the_same_collection() -> None:
    database = AsyncMongoClient[dict[str, Any]](connect=False).a
    with pytest.raises(ValueError, match=r"renewal_collection must be a\.locks, not a\.other"):
        LockRepository(database.locks, renewal_collection=database.other)


async def test_a_repository_says_where_it_is_when_printed() -> None:
    collection = AsyncMongoClient[dict[str, Any]](connect=False).app.locks
    assert repr(LockRepository(collection)) == "<LockRepository app.locks>"


class Garbled(TypeDecoder):
    """Reads a number as what it is not."""

    bson_type = Int64

    def transform_bson(self, value: Any) -> str:
        return str(value)


@on_replica_set
async def test_the_settings_of_the_collection_do_not_matter(collection: Any, commands: CommandLog) -> None:
    options: CodecOptions[Any] = CodecOptions(type_registry=TypeRegistry([Garbled()]), tz_aware=True)
    odd = collection.with_options(
        codec_options=options,
        write_concern=WriteConcern(0),
        read_concern=ReadConcern("available"),
        read_preference=ReadPreference.SECONDARY_PREFERRED,
    )
    async with LockRepository(odd, owner="me") as locks:
        async with locks.lock("cron") as lease:
            assert isinstance(lease.fencing_token, int)
            info = await locks.get("cron")
        assert info is not None
        assert [(one.owner, one.fencing_token) for one in info.holders] == [("me", lease.fencing_token)]
        assert [found.name async for found in locks.list()] == ["cron"]
    writes = [event.command for event in commands.sent if event.command_name == "findAndModify"]
    assert [command["writeConcern"] for command in writes] == [{"w": "majority"}, {"w": 1}]
    assert commands.last("find")["readConcern"]["level"] == "local"
    servers = {event.connection_id for event in commands.sent}
    assert len(servers) == 1  # the primary


@on_standalone
async def test_closing_does_not_close_the_client(collection: Any) -> None:
    async with LockRepository(collection) as locks:
        await locks.acquire("cron")
    assert await collection.count_documents({}) == 1
