"""The least privileges of docs/operating.md are enough, and what happens without each of them."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from pymongo.errors import OperationFailure
from secured import ALL, CALLING, LEAST, Guarded
from support import connected, until

from mongolock_async import LockBackendError, LockError, LockRepository

pytestmark = pytest.mark.long

Make = Callable[..., Any]
OWNER = "owner-whom-no-error-of-mongodb-names"


class User:
    """A client that may do just this, and a repository of its own."""

    def __init__(self, name: str, database: Any) -> None:
        self.name = name
        self.database = database
        self.locks = LockRepository(database["locks"], owner=OWNER)


@pytest.fixture
async def user(guarded: Guarded, driver: str) -> AsyncIterator[Make]:
    """Makes clients that may do this, by collection; all of one database."""
    database = f"test_{uuid.uuid4().hex}"
    async with AsyncExitStack() as stack:

        async def make(**actions: Any) -> User:
            name = guarded.user(database, actions)
            client = await stack.enter_async_context(connected(driver, guarded.uri_of(name, "secret")))
            made = User(name, client[database])
            stack.push_async_callback(made.locks.aclose)
            return made

        yield make
    guarded.root.drop_database(database)


def without(action: str) -> list[str]:
    return [other for other in LEAST if other != action]


def calling_without(*actions: str) -> dict[str, Any]:
    """All of the least but these, on the collection of the calls."""
    return {**ALL, "locks.calls": [other for other in CALLING if other not in actions]}


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Our own."""
    return [record.getMessage() for record in ours(caplog) if record.levelno >= logging.WARNING]


def ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "mongolock_async"]


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "mongolock_async")


async def test_a_user_is_refused_what_its_role_does_not_name(user: Make) -> None:
    locks = (await user(other=LEAST)).locks
    with pytest.raises(LockBackendError, match="code 13"):
        await locks.get("cron")


async def test_to_find_is_enough_to_look_at_locks(user: Make, caplog: pytest.LogCaptureFixture) -> None:
    await (await user(locks=LEAST)).locks.obtain("cron")
    locks = (await user(locks=["find"])).locks
    assert [info.name async for info in locks.list()] == ["cron"]
    assert (await locks.get("cron")) is not None
    assert warnings_of(caplog) == []


async def test_the_least_are_enough_to_obtain_renew_and_release(
    user: Make, caplog: pytest.LogCaptureFixture
) -> None:
    locks = (await user(locks=LEAST)).locks
    lease = await locks.obtain("cron")
    assert lease is not None
    assert [await lease.renew(), await lease.release()] == [True, True]
    assert warnings_of(caplog) == []


async def test_the_least_are_enough_to_find_out_that_a_collection_cannot_keep_locks(
    user: Make, guarded: Guarded
) -> None:
    one = await user(locks=LEAST)
    collation = {"locale": "en", "strength": 2}
    guarded.root[one.database.name].create_collection("locks", collation=collation)
    with pytest.raises(LockError, match="has a default collation"):
        await one.locks.obtain("cron")


async def test_the_least_are_enough_to_find_the_index_under_another_name(
    user: Make, guarded: Guarded, caplog: pytest.LogCaptureFixture
) -> None:
    one = await user(locks=LEAST)
    locks = guarded.root[one.database.name]["locks"]
    locks.create_index("expires_at", expireAfterSeconds=86_400, name="mine")
    assert await one.locks.obtain("cron") is not None
    assert warnings_of(caplog) == []


async def test_the_least_are_enough_to_wait_by_calls_and_to_call(
    user: Make, caplog: pytest.LogCaptureFixture
) -> None:
    locks, others = (await user(**ALL)).locks, (await user(**ALL)).locks
    lease = await locks.acquire("cron")
    waiter = asyncio.create_task(others.acquire("cron", timeout=20))
    await until(lambda: _queued(locks))
    await lease.release()
    assert (await waiter).held
    assert others.stats().waits_by == "calls"
    assert warnings_of(caplog) == []


async def test_where_the_collection_of_the_calls_is_there_nobody_has_to_create_it(
    user: Make, guarded: Guarded, caplog: pytest.LogCaptureFixture
) -> None:
    privileges = calling_without("convertToCapped")
    one, other = await user(**privileges), await user(**privileges)
    guarded.root[one.database.name].create_collection("locks.calls", capped=True, size=131_072)
    lease = await one.locks.acquire("cron")
    waiter = asyncio.create_task(other.locks.acquire("cron", timeout=20))
    await until(lambda: _queued(one.locks))
    await lease.release()
    assert (await waiter).held
    assert other.locks.stats().waits_by == "calls"
    assert warnings_of(caplog) == []
    assert guarded.root[one.database.name]["locks.calls"].count_documents({"leases": {"$exists": True}}) == 1


async def test_the_least_are_enough_for_a_block_that_outlives_its_ttl(user: Make) -> None:
    locks = (await user(locks=LEAST)).locks
    async with locks.lock("cron", ttl=1):
        await until(lambda: _has_renewed(locks))


async def test_the_least_are_enough_for_ticks(user: Make) -> None:
    locks = (await user(locks=LEAST)).locks
    ticks = locks.every(0.2, "cron")
    assert await anext(ticks) is not None
    await ticks.aclose()


async def test_the_least_are_enough_to_look_and_to_force(user: Make, guarded: Guarded) -> None:
    one = await user(locks=LEAST)
    await one.locks.create("cron")
    await one.locks.acquire("cron")
    info = await one.locks.get("cron")
    assert info is not None
    assert info.held
    assert [found.name async for found in one.locks.list()] == ["cron"]
    assert await one.locks.force_release("cron") is True
    assert "expires_at_1" in guarded.root[one.database.name]["locks"].index_information()


async def test_the_least_are_enough_to_verify_in_a_transaction(user: Make) -> None:
    one = await user(locks=LEAST, accounts=["find", "update", "insert", "remove"])
    lease = await one.locks.acquire("cron")
    started = one.database.client.start_session()
    async with started if hasattr(started, "__aenter__") else await started as session:

        async def transfer(session: Any) -> None:
            await one.database.accounts.insert_one({"_id": 1}, session=session)
            await lease.verify(session)

        await session.with_transaction(transfer)
    assert await one.database.accounts.find_one() == {"_id": 1}


# What each needs, in the case that needs the most. A look comes after a write that has matched nothing.
FENCED: dict[str, tuple[list[str], Callable[[Any], Any]]] = {
    "update_one": (["find", "update"], lambda fence: fence.update_one({"_id": 2}, {"$set": {"n": 1}})),
    "update_one, upsert": (
        ["find", "update", "insert"],
        lambda fence: fence.update_one({"_id": 2}, {"$set": {"n": 1}}, upsert=True),
    ),
    "update_many": (["find", "update"], lambda fence: fence.update_many({}, {"$set": {"n": 1}})),
    "replace_one": (["find", "update"], lambda fence: fence.replace_one({"_id": 2}, {"n": 1})),
    "find_one_and_update": (
        ["find", "update"],
        lambda fence: fence.find_one_and_update({"_id": 1}, {"$set": {"n": 1}}),
    ),
    "find_one_and_replace": (
        ["find", "update"],
        lambda fence: fence.find_one_and_replace({"_id": 1}, {"n": 1}),
    ),
    "find_one_and_delete": (["find", "remove"], lambda fence: fence.find_one_and_delete({"_id": 2})),
    "delete_one": (["find", "remove"], lambda fence: fence.delete_one({"_id": 2})),
    "delete_many": (["find", "remove"], lambda fence: fence.delete_many({"_id": 2})),
    "insert_one": (["insert"], lambda fence: fence.insert_one({"_id": 2})),
}


@pytest.mark.parametrize("write", FENCED)
async def test_a_fenced_write_needs_these_on_its_collection_and_no_more(
    user: Make, guarded: Guarded, write: str
) -> None:
    actions, work = FENCED[write]
    one = await user(locks=LEAST, accounts=actions)
    guarded.root[one.database.name]["accounts"].insert_one({"_id": 1})
    lease = await one.locks.acquire("cron")
    fence = lease.fenced(one.database["accounts"])
    await work(fence)
    guarded.root[one.database.name]["accounts"].delete_one({"_id": 2})
    for missing in actions:
        rest = [action for action in actions if action != missing]
        guarded.change(one.name, one.database.name, {"locks": LEAST, "accounts": rest})
        with pytest.raises(OperationFailure) as caught:
            await work(fence)
        assert caught.value.code == 13


async def test_without_create_index_there_is_one_warning_and_the_rest_works(
    user: Make, caplog: pytest.LogCaptureFixture
) -> None:
    one = await user(locks=without("createIndex"))
    for _ in range(3):
        lease = await one.locks.acquire("cron")
        assert await lease.release() is True
    (warning,) = warnings_of(caplog)
    assert warning.startswith(
        f"no TTL index on {one.database.name}.locks.expires_at: OperationFailure (code 13)"
    )


DEAF = {
    "nothing": (CALLING, "locks.calls is not there, and we have no right to create it"),
    "convertToCapped": (("convertToCapped",), "locks.calls is not there, and we have no right to create it"),
    "find": (("find",), "OperationFailure (code 13)"),
    "insert": (("insert",), "locks.calls is not there, and we have no right to create it"),
}


@pytest.mark.parametrize("missing", DEAF)
async def test_without_a_privilege_on_the_calls_there_is_one_warning_and_waiters_poll(
    user: Make, caplog: pytest.LogCaptureFixture, missing: str
) -> None:
    """Those who wait and those who release are users of the same kind."""
    actions, why = DEAF[missing]
    locks, others = [(await user(**calling_without(*actions))).locks for _ in range(2)]
    for _ in range(2):
        lease = await locks.acquire("cron")
        waiter = asyncio.create_task(others.acquire("cron", timeout=20))
        await until(lambda: _waits_by(others, "polling"))
        await asyncio.sleep(1.5)  # it is tried again after 1 s
        released = time.monotonic()
        assert await lease.release() is True
        await (await waiter).release()
        assert time.monotonic() - released < 2
    (warning,) = warnings_of(caplog)
    assert warning.startswith("waiting by polling: no calls from test_")
    assert warning.endswith(why)


async def test_whoever_may_not_call_leaves_those_who_wait_to_their_looks(
    user: Make, caplog: pytest.LogCaptureFixture
) -> None:
    locks, others = (await user(locks=LEAST)).locks, (await user(**ALL)).locks
    lease = await locks.acquire("cron")
    waiter = asyncio.create_task(others.acquire("cron", timeout=20))
    await until(lambda: _waits_by(others, "calls"))
    await until(lambda: _queued(others))
    assert await lease.release() is True
    assert (await waiter).held
    assert warnings_of(caplog) == []
    (line,) = [record.getMessage() for record in ours(caplog)]
    assert line == "a waiter for 'cron' was not called, and has to look: LockError"


CALLS: dict[str, Callable[[LockRepository], Any]] = {
    "obtain": lambda locks: locks.obtain("cron"),
    "acquire": lambda locks: locks.acquire("cron", timeout=10),
    "acquire, asking once": lambda locks: locks.acquire("cron", timeout=0),
    "lock": lambda locks: locks.lock("cron").__aenter__(),
    "every": lambda locks: anext(locks.every(0.2, "cron")),
    "create": lambda locks: locks.create("cron"),
    "get": lambda locks: locks.get("cron"),
    "list": lambda locks: anext(locks.list()),
    "force_release": lambda locks: locks.force_release("cron"),
}
NEEDS = {
    "find": set(CALLS),
    "update": set(CALLS) - {"get", "list"},
    "insert": set(CALLS) - {"get", "list", "force_release"},
}


@pytest.mark.parametrize("missing", NEEDS)
async def test_without_a_privilege_those_that_need_it_fail_at_once_with_code_13_and_others_work(
    user: Make, missing: str
) -> None:
    await (await user(locks=LEAST)).locks.create("cron")
    locks = (await user(locks=without(missing))).locks
    for call, use in CALLS.items():
        if call not in NEEDS[missing]:
            await use(locks)
            continue
        with pytest.raises(LockBackendError) as caught:
            async with asyncio.timeout(10):  # a command that is sent again is given up after 20 s
                await use(locks)
        assert (caught.value.code, caught.value.kind) == (13, "OperationFailure")
        assert "not authorized" in str(caught.value.__cause__)
        assert str(caught.value).endswith("MongoDB failed: OperationFailure (code 13)")


async def test_without_insert_a_lease_that_is_held_is_renewed_and_released_all_the_same(
    user: Make, guarded: Guarded
) -> None:
    one = await user(locks=LEAST)
    lease = await one.locks.acquire("cron")
    guarded.change(one.name, one.database.name, {"locks": without("insert")})
    assert [await lease.renew(), await lease.release()] == [True, True]


async def test_a_lease_whose_user_may_not_update_any_more_is_lost_at_its_end(
    user: Make, guarded: Guarded, caplog: pytest.LogCaptureFixture
) -> None:
    one = await user(locks=LEAST)
    lease = await one.locks.acquire("cron", ttl=1, keep_alive=True)
    guarded.change(one.name, one.database.name, {"locks": without("update")})
    await lease.lost.wait()
    with pytest.raises(LockBackendError, match="code 13"):
        await lease.release()
    line = "renewal of the lease of 'cron' failed: OperationFailure (code 13); trying again"
    assert line in warnings_of(caplog)


async def test_a_waiter_whose_user_may_not_update_any_more_is_told_so(user: Make, guarded: Guarded) -> None:
    locks, one = (await user(**ALL)).locks, await user(**ALL)
    await locks.acquire("cron", ttl=2)
    waiter = asyncio.create_task(one.locks.acquire("cron", timeout=30))
    await until(lambda: _queued(locks))
    guarded.change(one.name, one.database.name, {**ALL, "locks": without("update")})
    async with asyncio.timeout(10):
        with pytest.raises(LockBackendError, match="code 13"):
            await waiter


async def _queued(locks: LockRepository) -> bool:
    info = await locks.get("cron")
    return info is not None and len(info.queue) == 1


async def _has_renewed(locks: LockRepository) -> bool:
    return locks.stats().renewals > 0


async def _waits_by(locks: LockRepository, mode: str) -> bool:
    return locks.stats().waits_by == mode
