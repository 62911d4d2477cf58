"""What several tests need."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from mongolock_async.testing._source import Binary, find_source

HANDSHAKE = {"hello", "isMaster", "ismaster", "ping", "endSessions"}


class CommandLog(CommandListener):
    """Counts the commands that a client sends, the driver's own aside."""

    def __init__(self) -> None:
        self.sent: list[CommandStartedEvent] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name not in HANDSHAKE:
            self.sent.append(event)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass

    def clear(self) -> None:
        self.sent.clear()

    @property
    def counts(self) -> dict[str, int]:
        """Command name -> how often."""
        return dict(Counter(event.command_name for event in self.sent))

    def last(self, name: str) -> dict[str, Any]:
        """The last command of this name, as it was sent."""
        return next(dict(event.command) for event in reversed(self.sent) if event.command_name == name)


def heed_ctrl_c() -> None:
    """A run in the background of a shell ignores Ctrl-C, and so would every program that it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def needs_processes() -> None:
    """Skip the test where no mongod is a process of its own, which it may stop, or give arguments."""
    if not isinstance(find_source(), Binary):
        pytest.skip(
            "needs a mongod of its own, as a process: not the one at MONGODB_URI, and none in a container"
        )


async def until(condition: Callable[[], Awaitable[bool]], within: float = 10) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(within):
        while not await condition():
            await asyncio.sleep(0.005)


async def longest_stall(stop: asyncio.Event) -> float:
    """The most of this thread's own time that went by between two turns of a task that sleeps 5 ms."""
    longest = 0.0
    while not stop.is_set():
        began = time.thread_time()
        await asyncio.sleep(0.005)
        longest = max(longest, time.thread_time() - began)
    return longest


@asynccontextmanager
async def connected(driver: str, uri: str, **options: Any) -> AsyncIterator[Any]:
    """A client of that driver."""
    if driver == "motor":
        motor: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(uri, **options)
        yield motor
        motor.close()
    else:
        async with AsyncMongoClient[dict[str, Any]](uri, **options) as client:
            yield client
