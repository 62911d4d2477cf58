"""Calls: what is written, and who hears it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mongo.shared import (
    Answers,
    StandingClock,
    callable_by,
    listens,
    request,
    waiting,
    with_clock,
)
from support import until

from mongolock_async import LockRepository


async def called(collection: Any) -> list[dict[str, Any]]:
    """The calls that were written, but for what makes the collection non-empty."""
    return [call async for call in collection.find({"leases": {"$exists": True}}, {"_id": 0})]


async def test_a_call_names_the_ear_the_lock_the_lease_and_the_moment(
    locks: LockRepository, far: LockRepository, collection: Any, uri: str
) -> None:
    held = await locks.acquire("cron")
    clock = with_clock(far, StandingClock())
    waiter = waiting(far)
    await listens(far)
    (place,) = (await collection.find_one())["queue"]
    await held.release()
    assert (await waiter).held
    (call,) = await called(collection.database[f"{collection.name}.calls"])
    moment = {key: call.pop(key) for key in ("at", "cluster") if key in call}
    backend: Any = far._backend
    assert place["ear"] == backend._calls.id
    assert call == {"to": [place["ear"]], "name": "cron", "leases": [place["lease"]]}
    assert moment.keys() == ({"at", "cluster"} if "replicaSet" in uri else set())
    assert clock.now() == 0  # it was the call that it heard, and no time in which it would have looked


@pytest.mark.parametrize("uri", ["replica_set"], indirect=True)
async def test_a_call_names_the_moment_of_the_grant(
    locks: LockRepository, far: LockRepository, far_commands: Answers, collection: Any
) -> None:
    held = await locks.acquire("cron")
    with_clock(far, StandingClock())
    waiter = waiting(far, keep_alive=True)
    await listens(far)
    far_commands.clear()
    await held.release()
    assert (await waiter).held
    (call,) = await called(collection.database[f"{collection.name}.calls"])
    (find,) = far_commands.on(collection.name, "find")
    assert find["readConcern"] == {"level": "majority", "afterClusterTime": call["at"]}
    assert call["cluster"]["clusterTime"] >= call["at"]


@pytest.mark.parametrize("uri", ["replica_set"], indirect=True)
async def test_all_whom_a_command_grants_are_called_by_one_document(
    locks: LockRepository, far: LockRepository, collection: Any
) -> None:
    backend: Any = locks._backend
    there: Any = far._backend
    await backend.claim(request(capacity=3, weight=3), "h.1")
    for claimed, lease in ((backend, "m.1"), (there, "n.1"), (there, "n.2")):
        await claimed.claim(request(capacity=3), lease, first=10)
    await backend.release("cron", "h.1")
    (call,) = await called(collection.database[f"{collection.name}.calls"])
    assert (call["to"], call["leases"]) == ([there._calls.id] * 2, ["n.1", "n.2"])


@pytest.mark.parametrize("uri", ["standalone"], indirect=True)
async def test_who_reads_late_reads_the_calls_from_the_oldest_on(
    locks: LockRepository, far: LockRepository
) -> None:
    await callable_by(locks)
    backend: Any = locks._backend
    await backend.claim(request(), "h.1")
    there: Any = far._backend
    await there.claim(request(), "n.1", first=10)
    await backend.release("cron", "h.1")
    heard: list[Any] = []
    ear = there.ear("n", heard.append, lambda: None)
    with ear.wanted():
        await until(lambda: asyncio.sleep(0, bool(heard)), within=30)
    assert [call.lease for call in heard] == ["n.1"]
    await ear.aclose()
