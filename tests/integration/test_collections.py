"""What a repository takes, what it pins, and how it ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from bson.raw_bson import RawBSONDocument
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient, MongoClient, ReadPreference, WriteConcern

from mongolock_async import LockError, LockRepository


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


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"ttl": 0}, ValueError),
        ({"retention": -1}, ValueError),
        ({"command_timeout": float("inf")}, ValueError),
        ({"owner": True}, TypeError),
        ({"ttl": None}, TypeError),
    ],
)
async def test_wrong_options_are_refused(collection: Any, options: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        LockRepository(collection, **options)


async def test_the_settings_of_the_collection_do_not_matter(collection: Any, commands: Any) -> None:
    odd = collection.with_options(
        write_concern=WriteConcern(0), read_preference=ReadPreference.SECONDARY_PREFERRED
    )
    if "Motor" not in type(collection).__name__:
        odd = odd.with_options(codec_options=odd.codec_options.with_options(document_class=RawBSONDocument))
    async with LockRepository(odd, owner="me") as locks:
        async with locks.lock("cron"):
            info = await locks.get("cron")
        assert info is not None
        assert info.holders[0].owner == "me"
    writes = [event.command for event in commands.sent if event.command_name == "findAndModify"]
    assert [command["writeConcern"] for command in writes] == [{"w": "majority"}, {"w": 1}]


async def test_closing_releases_what_is_held(collection: Any, others: LockRepository) -> None:
    async with LockRepository(collection) as locks:
        leases = [await locks.acquire(f"n{number}", keep_alive=number % 2 == 0) for number in range(6)]
    assert not any(lease.held for lease in leases)
    assert not any([info.held async for info in others.list()])


async def test_a_closed_repository_says_so(collection: Any) -> None:
    locks = LockRepository(collection)
    await locks.aclose()
    await locks.aclose()
    for use in (locks.obtain("a"), locks.get("a"), locks.create("a"), locks.__aenter__()):
        with pytest.raises(LockError, match="closed"):
            await use


async def test_closing_does_not_close_the_client(collection: Any) -> None:
    async with LockRepository(collection):
        pass
    assert await collection.count_documents({}) == 0


async def test_closing_waits_for_claims_under_way(collection: Any, others: LockRepository) -> None:
    locks = LockRepository(collection)
    claims = [asyncio.create_task(locks.obtain(f"n{number}")) for number in range(10)]
    await asyncio.sleep(0)
    await locks.aclose()
    await asyncio.wait(claims)
    assert not any([info.held async for info in others.list()])


async def test_a_repository_says_where_it_is_when_printed(collection: Any, locks: LockRepository) -> None:
    assert repr(locks) == f"<LockRepository {collection.database.name}.locks>"
