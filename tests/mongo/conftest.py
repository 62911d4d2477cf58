"""What MongoDB adds: real servers, their failures, and a clock that is set forward."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from mongo.shared import Answers, Fail, with_clock
from mongo.transactions import Account
from support import connected

from mongolock_async import LockRepository
from mongolock_async._memory.clock import MemoryClock
from mongolock_async._mongo import attempts, backend, calls, listening


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no command sent again because the machine stalls for a second: commands are counted here."""
    monkeypatch.setattr(attempts, "ATTEMPTS", (15.0,) * 5)
    monkeypatch.setattr(calls, "TELL", 15.0)
    monkeypatch.setattr(backend, "CONFIRM_SECONDS", 15.0)
    # After what was broken on purpose, nobody has to be spared.
    monkeypatch.setattr(listening, "JITTER", 0.01)
    monkeypatch.setattr(listening, "AGAIN", 0.05)


@pytest.fixture
def store(collection: Any, patience: None) -> Any:  # noqa: ARG001 - a fixture
    """What repositories are made on."""
    return collection


@pytest.fixture
async def fail(client: Any) -> AsyncIterator[Fail]:
    """Has the next commands of these names fail or wait."""

    async def fail(*commands: str, times: int = 1, **how: Any) -> None:
        data = {"failCommands": commands, **how}
        await client.admin.command(
            {"configureFailPoint": "failCommand", "mode": {"times": times}, "data": data}
        )

    yield fail
    await client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})


@pytest.fixture
def clock(locks: LockRepository) -> MemoryClock:
    """That of ``locks``: real time goes by on it, too."""
    return with_clock(locks)


@pytest.fixture
def far_commands() -> Answers:
    """Every command that the other process sends."""
    return Answers()


@pytest.fixture
async def far_client(uri: str, driver: str, far_commands: Answers) -> AsyncIterator[Any]:
    """A client of another process."""
    async with connected(driver, uri, event_listeners=[far_commands]) as client:
        yield client


@pytest.fixture
async def far(store: Any, far_client: Any) -> AsyncIterator[LockRepository]:
    """A repository of another process, on the same collection."""
    async with LockRepository(far_client[store.database.name][store.name]) as locks:
        yield locks


@pytest.fixture
async def account(collection: Any) -> Account:
    accounts = collection.database["accounts"]
    await accounts.insert_one({"_id": 1, "n": 0})
    return Account(accounts)
