"""What the tests of MongoDB's side have in common."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pymongo.monitoring import CommandFailedEvent, CommandStartedEvent, CommandSucceededEvent
from support import HANDSHAKE, CommandLog, until

from mongolock_async import Lease, LockInfo, LockRepository
from mongolock_async._engine.listeners import Listeners
from mongolock_async._engine.member import Member
from mongolock_async._engine.place import State
from mongolock_async._memory.clock import MemoryClock
from mongolock_async._protocol.request import Request

# Has the next commands of these names fail or wait.
Fail = Callable[..., Awaitable[None]]
MakeRepository = Callable[..., LockRepository]

PAST = {"$subtract": ["$$NOW", 1]}


class Meanwhile(CommandLog):
    """Has something happen while a command is under way; ``todo`` is for the next commands, one each."""

    def __init__(self) -> None:
        super().__init__()
        self.todo: list[Callable[[], Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        super().started(event)
        if event.command_name not in HANDSHAKE and self.todo:
            self.todo.pop(0)()


class Answers(CommandLog):
    """Knows which commands have no answer yet, which were cut off, and which left a cursor open."""

    def __init__(self) -> None:
        super().__init__()
        self.unanswered: dict[int, str] = {}
        self.cut_off: list[str] = []
        self.cursors: list[int] = []

    def started(self, event: CommandStartedEvent) -> None:
        super().started(event)
        self.unanswered[event.request_id] = event.command_name

    def succeeded(self, event: CommandSucceededEvent) -> None:
        self.unanswered.pop(event.request_id, None)
        self.cursors.append(event.reply.get("cursor", {}).get("id", 0))

    def failed(self, event: CommandFailedEvent) -> None:
        self.unanswered.pop(event.request_id, None)
        if "code" not in event.failure:  # no word of the server
            self.cut_off.append(event.command_name)

    def clear(self) -> None:
        super().clear()
        self.cursors.clear()

    def on(self, collection: str, name: str) -> list[dict[str, Any]]:
        """The commands of this name on a collection."""
        sent = [dict(event.command) for event in self.sent if event.command_name == name]
        return [command for command in sent if collection in {command[name], command.get("collection")}]


class StandingClock(MemoryClock):
    """Only a test sets it forward."""

    def now(self) -> float:
        return self.ahead


def request(owner: str | int = "me", name: str = "cron", ttl: float = 30, **options: Any) -> Request:
    """A claim of the lock."""
    return Request(name, owner, ttl, **options)


def with_clock(locks: LockRepository, clock: MemoryClock | None = None) -> MemoryClock:
    """Have it judge its deadlines by a clock that the test sets forward; the server keeps its own."""
    clock = clock or MemoryClock()
    backend: Any = locks._backend
    backend._calls._members.pop(locks._member.id, None)
    locks._member = Member(locks._backend, locks._backend, clock, None, Listeners(None, clock))
    return clock


async def look(locks: LockRepository, name: str = "cron") -> LockInfo:
    info = await locks.get(name)
    assert info is not None
    return info


async def is_free(locks: LockRepository, name: str = "cron") -> bool:
    info = await locks.get(name)
    return info is None or (not info.held and not info.queue)


async def drained(locks: LockRepository) -> None:
    """Wait for what goes on in the background."""
    await locks._member.background.drain()


def waiting(locks: LockRepository, *arguments: Any, **options: Any) -> asyncio.Task[Lease]:
    return asyncio.create_task(locks.acquire("cron", *arguments, **options))


async def stands(locks: LockRepository, count: int = 1) -> None:
    """Wait until so many stand in the queue."""

    async def so_many() -> bool:
        info = await locks.get("cron")
        return info is not None and len(info.queue) == count

    await until(so_many, within=30)


async def listens(locks: LockRepository) -> None:
    """Wait until it stands in the queue, and reads the calls to it."""

    async def reads() -> bool:
        places = locks._member.waiting._places.values()
        return bool(places) and all(place.state is State.QUEUED for place in places) and reading(locks)

    await until(reads, within=30)
    await drained(locks)


def reading(locks: LockRepository) -> bool:
    """Whether it has a cursor on the calls."""
    backend: Any = locks._backend
    listening = backend._calls._listening
    return listening is not None and listening._cursor is not None and bool(listening._cursor.cursor_id)


async def callable_by(locks: LockRepository) -> Any:
    """Have it known to be there where calls are written, as after the first one; the collection."""
    backend: Any = locks._backend
    await backend._calls._capped.ensure()
    return backend._calls._capped._plain


def polls(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines that say why waiting is by polling, and that it is not any more."""
    lines = [record.getMessage() for record in caplog.records if record.name == "mongolock_async"]
    return [line for line in lines if line.startswith("waiting by")]


async def expire(collection: Any, name: str = "cron") -> None:
    """Let the leases of a lock be over on the server, and nobody know."""
    over = {"$mergeObjects": ["$$e", {"expires": PAST}]}
    holders = {"$map": {"input": "$holders", "as": "e", "in": over}}
    await collection.update_one({"_id": name}, [{"$set": {"holders": holders}}])


async def close(client: Any) -> None:
    """PyMongo awaits it, and Motor does not."""
    closing = client.close()
    if inspect.isawaitable(closing):
        await closing
