"""What several tests need."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

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


async def until(condition: Callable[[], Awaitable[bool]], within: float = 10) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(within):
        while not await condition():
            await asyncio.sleep(0.005)
