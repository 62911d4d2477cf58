"""No password, document or command shows in a log line or an error of ours, whatever goes wrong.

Names and owners do: they are for people. The driver's own error, which quotes commands, is the
``__cause__`` of ours; it is the user's to log or not, and not searched here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from heard import SECRET, Heard, hearing, shown

from mongolock_async import (
    LeaseLostError,
    LockBackendError,
    LockError,
    LockRepository,
    LockTimeoutError,
    StaleTokenError,
)
from mongolock_async._settings import default_owner
from mongolock_async.testing import Mongod, ReplicaSet

pytestmark = pytest.mark.long

on_replica_set = pytest.mark.parametrize("uri", ["replica_set"], indirect=True)


@pytest.fixture
def uri(request: pytest.FixtureRequest) -> str:
    """One server, unless the test needs more."""
    server: Mongod | ReplicaSet = request.getfixturevalue(getattr(request, "param", "standalone"))
    return server.uri


@contextlib.asynccontextmanager
async def failing(client: Any, *commands: str, **how: Any) -> AsyncIterator[None]:
    """These commands fail during the block."""
    data = {"failCommands": list(commands), "errorCode": 8000, **how}
    await client.admin.command({"configureFailPoint": "failCommand", "mode": "alwaysOn", "data": data})
    try:
        yield
    finally:
        await client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})


def test_a_secret_would_be_found() -> None:
    with hearing() as heard:
        logger = logging.getLogger("mongolock_async")
        logger.debug("an argument: %s", SECRET)
        try:
            raise ValueError(SECRET)
        except ValueError:
            logger.debug("a traceback", exc_info=True)
    heard.errors.append(LockBackendError("obtain", SECRET, "Kind"))
    found = "\n".join(shown(heard.texts, [SECRET]))
    assert all(text in found for text in ("an argument: ", "a traceback\nTraceback", "LockBackendError("))


@pytest.mark.parametrize(
    "document",
    [{"password": SECRET}, {"holders": SECRET}, {"holders": [], "queue": [], "token": SECRET}],
    ids=str,
)
async def test_a_foreign_document_is_not_shown(
    heard: Heard, locks: LockRepository, collection: Any, document: dict[str, Any]
) -> None:
    await collection.insert_one({"_id": "cron", **document})
    for use in (
        locks.obtain("cron", SECRET),
        locks.acquire("cron", SECRET),
        locks.create("cron"),
        locks.get("cron"),
        locks.force_release("cron"),
        anext(locks.every(1, "cron", SECRET)),
    ):
        with heard.error(LockError):
            await use


async def test_a_lease_whose_document_turned_foreign_shows_nothing(
    heard: Heard, locks: LockRepository, collection: Any
) -> None:
    lease = await locks.acquire("cron", SECRET, ttl=1, keep_alive=True)
    await collection.replace_one({"_id": "cron"}, {"holders": SECRET, "password": SECRET})
    with heard.error(LockError):
        await lease.renew()
    await lease.lost.wait()
    with heard.error(LockError):
        await lease.release()
    assert heard.logged("lease of 'cron' is lost")


async def test_a_timeout_shows_the_owner_and_nothing_else_of_the_document(
    heard: Heard, locks: LockRepository, others: LockRepository, collection: Any
) -> None:
    await locks.acquire("cron", "the owner")
    await collection.update_one({"_id": "cron"}, {"$set": {"note": SECRET}})
    for timeout in (0, 0.3):
        with heard.error(LockTimeoutError):
            await others.acquire("cron", SECRET, timeout=timeout)
    assert all("'the owner'" in str(error) for error in heard.errors)


async def test_a_lost_lease_shows_its_own_owner_and_no_other(
    heard: Heard, locks: LockRepository, others: LockRepository, collection: Any
) -> None:
    with heard.error(LeaseLostError):
        async with locks.lock("cron", ttl=1):
            await others.force_release("cron")
            await others.acquire("cron", SECRET)
            await collection.update_one({"_id": "cron"}, {"$set": {"note": SECRET}})
            await asyncio.sleep(5)
    assert repr(default_owner()) in str(heard.errors[0])


async def test_a_fence_that_refuses_shows_no_document(
    heard: Heard, locks: LockRepository, collection: Any
) -> None:
    accounts = collection.database["accounts"]
    late = (await locks.acquire("cron")).fenced(accounts)
    await locks.force_release("cron")
    successor = (await locks.acquire("cron")).fenced(accounts)
    await successor.insert_one({"_id": SECRET, "password": SECRET})
    for use in (
        late.update_one({"password": SECRET}, {"$set": {"more": SECRET}}),
        late.update_many({"password": SECRET}, {"$set": {"more": SECRET}}),
        late.insert_one({"_id": SECRET, "password": SECRET}),
        late.delete_one({"_id": SECRET}),
    ):
        with heard.error(StaleTokenError):
            await use


@on_replica_set
async def test_a_verification_that_fails_shows_nothing(
    heard: Heard, locks: LockRepository, client: Any, collection: Any
) -> None:
    lease = await locks.acquire("cron")
    await collection.delete_one({"_id": "cron"})
    await collection.insert_one({"_id": "cron", "password": SECRET})
    started = client.start_session()
    async with started if hasattr(started, "__aenter__") else await started as session:
        begun = session.start_transaction()
        async with await begun if asyncio.iscoroutine(begun) else begun:
            with heard.error(LeaseLostError):
                await lease.verify(session)
            await session.abort_transaction()


async def test_commands_that_fail_show_nothing(heard: Heard, locks: LockRepository, client: Any) -> None:
    await locks.create("cron")
    async with failing(client, "findAndModify", "find", "update"):
        for use in (
            locks.obtain("cron", SECRET),
            locks.acquire("cron", SECRET),
            locks.get("cron"),
            locks.force_release("cron"),
            anext(locks.list("cron")),
        ):
            with heard.error(LockBackendError):
                await use
        await heard.line("was not withdrawn")
        tick = asyncio.ensure_future(anext(locks.every(1, "cron", SECRET)))
        await heard.line("MongoDB is away")
    assert await tick is not None
    assert heard.logged("MongoDB is back")


async def test_an_index_a_renewal_and_a_release_that_fail_show_nothing(
    heard: Heard, locks: LockRepository, client: Any
) -> None:
    async with failing(client, "createIndexes"):
        lease = await locks.acquire("cron", SECRET, ttl=2)
        await lease.release()
    async with locks.lock("cron", SECRET, ttl=2), failing(client, "update", "findAndModify"):
        await heard.line("renewal of the lease of 'cron' failed")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(locks.lock("cron", SECRET, ttl=2))
        failed = failing(client, "findAndModify")
        await failed.__aenter__()
    await failed.__aexit__(None, None, None)
    assert heard.logged("no TTL index on")
    assert heard.logged("release of 'cron' was not confirmed")


@on_replica_set
async def test_calls_that_can_be_neither_read_nor_written_show_nothing(
    heard: Heard, locks: LockRepository, others: LockRepository, client: Any, collection: Any
) -> None:
    lease = await locks.acquire("cron", SECRET)
    backend: Any = others._backend
    async with failing(client, "getMore", "insert", namespace=f"{collection.full_name}.calls"):
        await backend._calls._capped.ensure()
        place = {"lease": "strange.1", "ear": "strange"}
        waiter = asyncio.create_task(others.acquire("cron", SECRET))
        await heard.line("no calls from")
        await backend._calls.tell("cron", [place], None)
        await lease.release()
        await waiter
    assert heard.logged("a waiter for 'cron' was not called")
    assert shown(heard.texts, [others._member.id, "strange"]) == []


async def test_an_owner_that_is_too_large_is_not_shown(heard: Heard, locks: LockRepository) -> None:
    with heard.error(LockBackendError):
        await locks.obtain("cron", SECRET * 1_000_000)


@pytest.mark.parametrize("wrong", [{"password": SECRET}, [SECRET], SECRET.encode(), {SECRET}], ids=type)
async def test_a_document_in_the_place_of_an_argument_is_not_shown(
    heard: Heard, locks: LockRepository, collection: Any, wrong: Any
) -> None:
    lease = await locks.acquire("cron")
    for use in (
        lambda: locks.lock(wrong),
        lambda: locks.lock("cron", wrong),
        lambda: locks.lock("cron", ttl=wrong),
        lambda: locks.lock("cron", timeout=wrong),
        lambda: lease.fenced(collection, wrong),
        lambda: LockRepository(wrong),
        lambda: lease.fenced(wrong),
    ):
        with heard.error(TypeError):
            use()
    with heard.error(TypeError):
        await lease.fenced(collection).update_one([wrong], {})  # type: ignore[arg-type]  # on purpose
    with heard.error(TypeError):
        await lease.verify(wrong)
