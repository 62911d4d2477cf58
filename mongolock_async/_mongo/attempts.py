"""Sending again what has no answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pymongo
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError, WaitQueueTimeoutError

T = TypeVar("T")

# A command that has no answer by then is sent again, to whoever is the primary now: a node that was stopped
# or cut off keeps a connection open and never answers. What is left of the time is for the last one.
ATTEMPTS = (1.0, 1.5, 2.0, 3.0, 5.0)
# How many may be under way at a time: the drivers' default for the connections of a client. To wait for a
# place among these is not to wait for an answer, and costs no attempt.
AT_A_TIME = 100
# The node is no primary any more, or shuts down: the "not primary" errors of the drivers' specification, of
# which both drivers repeat most, but not those that come as an error of the write concern.
CEASED = {91, 189, 10107, 11600, 11602, 13435, 13436}
# Two have made the same new document at a time. MongoDB lets the later one change what the earlier one has
# made, but does not promise to.
DUPLICATE = 11000


class Attempts:
    """Sends commands that are as good twice as once, until they are answered.

    Attributes:
        timeout: seconds after which a command is given up.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._gate = asyncio.Semaphore(AT_A_TIME)

    async def insist(self, send: Callable[[], Awaitable[T]]) -> T:
        """Send it until there is an answer. The deadline that is in force is for all of it."""
        end = asyncio.get_running_loop().time() + self.timeout
        for limit in ATTEMPTS:
            await self._enter(end)
            try:
                with pymongo.timeout(limit):
                    return await send()
            except PyMongoError as error:
                again = isinstance(error, OperationFailure) and error.code in {*CEASED, DUPLICATE}
                if not (error.timeout or again or isinstance(error, AutoReconnect)):
                    raise
            finally:
                self._gate.release()
        return await send()

    async def _enter(self, end: float) -> None:
        """Wait for a place among those under way: the driver's deadline is not judged meanwhile."""
        if not self._gate.locked():
            await self._gate.acquire()
            return
        try:
            async with asyncio.timeout_at(end):
                await self._gate.acquire()
        except TimeoutError:
            raise WaitQueueTimeoutError(f"{AT_A_TIME} commands are under way") from None
