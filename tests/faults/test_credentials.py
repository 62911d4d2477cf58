"""No password shows in a log line or an error of ours, whatever the server says of who comes."""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from heard import SECRET, Heard, shown
from secured import LEAST, Guarded
from support import connected

from mongolock_async import LockBackendError, LockRepository

pytestmark = pytest.mark.long


@pytest.fixture
async def stranger(driver: str) -> AsyncIterator[Any]:
    """Makes repositories of clients that come by this URI."""
    async with AsyncExitStack() as stack:

        async def make(uri: str, database: str = "test", **options: Any) -> LockRepository:
            client = await stack.enter_async_context(connected(driver, uri))
            locks = LockRepository(client[database]["locks"], **options)
            stack.push_async_callback(locks.aclose)
            return locks

        yield make


async def test_a_wrong_password_is_not_shown(heard: Heard, guarded: Guarded, stranger: Any) -> None:
    locks = await stranger(guarded.uri_of("root", SECRET), command_timeout=0.5)
    for use in (locks.get("cron"), locks.obtain("cron")):
        with heard.error(LockBackendError):
            await use
    assert "code 18" in str(heard.errors[0])


async def test_what_a_missing_privilege_makes_the_server_quote_is_not_shown(
    heard: Heard, guarded: Guarded, stranger: Any
) -> None:
    database = f"test_{uuid.uuid4().hex}"
    user = guarded.user(database, {"locks": ["find"]}, password=SECRET)
    locks = await stranger(guarded.uri_of(user, SECRET), database, owner=SECRET)
    for use in (
        locks.obtain("cron"),
        locks.acquire("cron"),
        locks.create("cron"),
        locks.force_release("cron"),
    ):
        with heard.error(LockBackendError):
            await use
    # The driver's own error does show it: this is what the text of ours is kept apart from.
    assert SECRET in str(heard.errors[0].__cause__)


async def test_a_renewal_and_a_release_that_are_refused_show_nothing(
    heard: Heard, guarded: Guarded, stranger: Any
) -> None:
    database = f"test_{uuid.uuid4().hex}"
    user = guarded.user(database, {"locks": LEAST}, password=SECRET)
    locks = await stranger(guarded.uri_of(user, SECRET), database)
    async with locks.lock("cron", SECRET, ttl=3):
        guarded.change(user, database, {"locks": ["find"]})
        await heard.line("renewal of the lease of 'cron' failed")
    assert heard.logged("release of 'cron' was not confirmed")
    # Neither quotes the command that was refused, with the owner or the id of the lease in it.
    assert shown(heard.texts, [locks._member.id]) == []


async def test_calls_that_are_refused_show_nothing(heard: Heard, guarded: Guarded, stranger: Any) -> None:
    database = f"test_{uuid.uuid4().hex}"
    user = guarded.user(database, {"locks": LEAST}, password=SECRET)
    locks = await stranger(guarded.uri_of(user, SECRET), database)
    lease = await locks.acquire("cron")
    waiter = asyncio.create_task(locks.acquire("cron", SECRET))
    await heard.line("no calls from")
    await lease.release()
    await waiter
    # By the id of the member one could speak for its leases.
    assert shown(heard.texts, [locks._member.id]) == []


async def test_a_server_out_of_reach_shows_no_credentials(heard: Heard, stranger: Any) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    uri = f"mongodb://{SECRET}:{SECRET}@127.0.0.1:{port}/?appname={SECRET}"
    locks = await stranger(uri, command_timeout=0.3)
    with heard.error(LockBackendError):
        await locks.obtain("cron", SECRET)
    with heard.error(LockBackendError):
        await anext(locks.list())
    await locks.aclose()
    assert heard.logged("a lease of 'cron' was not withdrawn")
