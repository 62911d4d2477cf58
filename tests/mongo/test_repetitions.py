"""Commands that were sent twice, or whose answers were lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mongo.shared import (
    Fail,
    Meanwhile,
    StandingClock,
    callable_by,
    drained,
    expire,
    is_free,
    listens,
    look,
    request,
    waiting,
    with_clock,
)
from mongo.transactions import session_of
from pymongo import MongoClient
from support import CommandLog, until

from mongolock_async import LockBackendError, LockRepository
from mongolock_async._memory.clock import MemoryClock
from mongolock_async._mongo import attempts

on_replica_set = pytest.mark.parametrize("uri", ["replica_set"], indirect=True)


@pytest.fixture
def commands() -> Meanwhile:
    return Meanwhile()


async def lose_a_reply(client: Any) -> None:
    """The next write of this kind is done, and its answer never arrives; the driver repeats it."""
    fail = {"configureFailPoint": "onPrimaryTransactionalWrite", "mode": {"times": 1}}
    await client.admin.command({**fail, "data": {"closeConnection": True}})


async def tokens(locks: LockRepository) -> list[int]:
    return [holder.fencing_token for holder in (await look(locks)).holders]


@on_replica_set
async def test_a_repeated_claim_is_read_again_and_gives_one_grant(
    locks: LockRepository, client: Any, commands: CommandLog
) -> None:
    await locks.create("cron")
    await lose_a_reply(client)
    commands.clear()
    lease = await locks.acquire("cron")
    assert commands.counts == {"findAndModify": 2, "find": 1}
    assert lease.held
    assert await tokens(locks) == [lease.fencing_token]


@on_replica_set
async def test_a_repeated_claim_whose_document_is_gone_before_it_is_read_again_has_failed(
    locks: LockRepository, client: Any, collection: Any, commands: Meanwhile, uri: str
) -> None:
    await locks.create("cron")
    await lose_a_reply(client)
    with MongoClient[dict[str, Any]](uri) as blocking:

        def remove() -> None:
            blocking[collection.database.name][collection.name].delete_one({"_id": "cron"})

        commands.todo = [nothing, nothing, remove]  # while the claim, its repetition and the reading are sent
        with pytest.raises(LockBackendError, match="DocumentGone"):
            await locks.obtain("cron")
    await drained(locks)
    assert await locks.get("cron") is None


def nothing() -> None:
    pass


@on_replica_set
async def test_a_repeated_renewal_is_read_again(
    locks: LockRepository, client: Any, commands: CommandLog
) -> None:
    lease = await locks.acquire("cron")
    await lose_a_reply(client)
    commands.clear()
    assert await lease.renew() is True
    assert commands.counts == {"findAndModify": 2, "find": 1}


@on_replica_set
async def test_a_repeated_release_says_what_the_first_one_did(
    locks: LockRepository, client: Any, commands: CommandLog
) -> None:
    lease = await locks.acquire("cron")
    await lose_a_reply(client)
    commands.clear()
    assert await lease.release() is True
    assert commands.counts == {"findAndModify": 2}
    assert await is_free(locks)


@on_replica_set
@pytest.mark.parametrize("way", ["release", "force"])
async def test_a_repeated_release_tells_whom_the_first_one_has_granted(
    locks: LockRepository, far: LockRepository, client: Any, commands: CommandLog, way: str
) -> None:
    """The waiter hears of it by a call, and by nothing else: its clock stands still."""
    lease = await locks.acquire("cron")
    await callable_by(locks)
    with_clock(far, StandingClock())
    waiter = waiting(far)
    await listens(far)
    await lose_a_reply(client)
    commands.clear()
    assert await (lease.release() if way == "release" else locks.force_release("cron")) is True
    assert commands.counts == {"findAndModify": 2, "insert": 1}
    assert (await waiter).held


@on_replica_set
async def test_a_repeated_release_tells_a_waiter_of_its_own_process(
    locks: LockRepository, client: Any, commands: CommandLog
) -> None:
    with_clock(locks, StandingClock())
    lease = await locks.acquire("cron")
    waiter = waiting(locks, keep_alive=True)
    await listens(locks)
    await lose_a_reply(client)
    commands.clear()
    assert await lease.release() is True
    assert (await waiter).held
    counts = {name: count for name, count in commands.counts.items() if name != "getMore"}
    assert counts == {"findAndModify": 2, "find": 1}


@on_replica_set
async def test_a_repeated_hand_over_is_read_again(
    locks: LockRepository, client: Any, commands: CommandLog
) -> None:
    held = await locks.acquire("cron")
    await lose_a_reply(client)
    commands.clear()
    was_held, reply = await locks._backend.hand_over(
        "cron", held._holding.id, held.fencing_token, request("next"), "m.2", 10
    )
    assert was_held is True
    assert reply is not None
    assert reply.grant is not None
    assert commands.counts == {"findAndModify": 2, "find": 1}
    assert await tokens(locks) == [reply.grant.fencing_token]


@on_replica_set
async def test_a_repeated_claim_tells_whom_the_first_one_has_granted(
    locks: LockRepository, far: LockRepository, client: Any, collection: Any, commands: CommandLog
) -> None:
    await locks.acquire("cron")
    await callable_by(locks)
    with_clock(far, StandingClock())
    waiter = waiting(far)
    await listens(far)
    await expire(collection)
    await lose_a_reply(client)
    commands.clear()
    assert await locks.obtain("cron") is None
    assert commands.counts == {"findAndModify": 2, "find": 1, "insert": 1}
    assert (await waiter).held


@on_replica_set
async def test_a_repeated_release_of_another_lease_says_false(
    locks: LockRepository, others: LockRepository, client: Any, collection: Any
) -> None:
    late = await locks.acquire("cron")
    await expire(collection)
    successor = await others.acquire("cron")
    await lose_a_reply(client)
    assert await late.release() is False
    assert await successor.release() is True


@pytest.mark.parametrize(("uri", "breaks"), [("standalone", 1), ("replica_set", 2)], indirect=["uri"])
async def test_a_claim_whose_connection_broke_is_asked_again_with_the_same_id(
    locks: LockRepository, commands: CommandLog, fail: Fail, breaks: int
) -> None:
    """On a replica set the driver repeats it once by itself; it takes a second break to reach us."""
    await locks.create("cron")
    await fail("findAndModify", times=breaks, closeConnection=True)
    commands.clear()
    lease = await locks.acquire("cron")
    assert commands.counts == {"findAndModify": breaks + 1}
    assert len({str(event.command["update"]) for event in commands.sent}) == 1
    assert await tokens(locks) == [lease.fencing_token]


@on_replica_set
async def test_a_claim_that_fails_after_it_was_written_is_given_back(
    locks: LockRepository, collection: Any, fail: Fail
) -> None:
    await locks.create("cron")
    await fail("findAndModify", writeConcernError={"code": 64, "errmsg": "waited too long"})
    with pytest.raises(LockBackendError):
        await locks.obtain("cron")
    await drained(locks)
    assert await is_free(locks)
    assert (await collection.find_one({"_id": "cron"}))["token"] > 0


@on_replica_set
async def test_a_claim_without_an_answer_is_withdrawn_in_its_own_session(
    locks: LockRepository, client: Any, collection: Any, commands: CommandLog, fail: Fail
) -> None:
    await locks.create("cron")
    await fail("findAndModify", errorCode=8000)
    commands.clear()
    backend: Any = locks._backend
    with pytest.raises(LockBackendError):
        await backend.claim(request(), "m.1")
    session = backend._commands._unknown["m.1"]
    async with session_of(client) as another:  # would be given that of the claim, had it been let go
        await collection.find_one({}, session=another)
        await backend.withdraw("cron", "m.1")
    claim, _, withdrawal = (event.command for event in commands.sent)
    assert withdrawal["lsid"] == claim["lsid"]
    assert withdrawal["txnNumber"] > claim["txnNumber"]
    assert backend._commands._unknown == {}
    assert not session.has_ended  # it may serve another command
    await locks.aclose()
    assert session.has_ended


@on_replica_set
async def test_commands_at_a_time_have_sessions_of_their_own(
    locks: LockRepository, commands: CommandLog
) -> None:
    await locks.create("cron")
    commands.clear()
    for _ in range(2):
        await locks.get("cron")
        await asyncio.gather(*(locks.obtain(f"n{number}") for number in range(5)))
    sessions = [event.command["lsid"]["id"] for event in commands.sent if "txnNumber" in event.command]
    assert len(set(sessions[:5])) == 5
    assert set(sessions[5:]) == set(sessions[:5])


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("uri", ["standalone"], indirect=True)
async def test_a_release_that_was_sent_twice_says_what_its_holder_knew(
    locks: LockRepository,
    clock: MemoryClock,
    client: Any,
    collection: Any,
    commands: CommandLog,
    monkeypatch: pytest.MonkeyPatch,
    late: bool,  # noqa: FBT001 - a parameter
) -> None:
    """The first one is carried out, and its answer does not come in time; the second one finds nothing."""
    lease = await locks.acquire("cron")
    if late:
        clock.advance(30)
        await expire(collection)
    monkeypatch.setattr(attempts, "ATTEMPTS", (0.3, 15.0))
    hold_back = {"configureFailPoint": "waitAfterCommandFinishesExecution"}
    await client.admin.command({**hold_back, "mode": "alwaysOn", "data": {"commands": ["findAndModify"]}})
    commands.clear()
    release = asyncio.create_task(lease.release())
    await until(lambda: asyncio.sleep(0, commands.counts.get("findAndModify") == 2))
    await client.admin.command({**hold_back, "mode": "off"})
    assert await release is not late
    assert await is_free(locks)


@on_replica_set
async def test_a_release_that_failed_can_be_tried_again(locks: LockRepository, fail: Fail) -> None:
    lease = await locks.acquire("cron")
    await fail("findAndModify", errorCode=8000)
    with pytest.raises(LockBackendError):
        await lease.release()
    assert not lease.held
    assert not await is_free(locks)
    assert await lease.release() is True
    assert await is_free(locks)
