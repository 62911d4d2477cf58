"""The task: read a counter, and write it one higher. Only a lock makes that right."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import OperationFailure, PyMongoError

from mongolock_async import Lease, LockError, LockRepository

from ._terminal import DIM, GREEN, YELLOW, say

DATABASE = "mongolock_demo"
# Codes: not authorised, authentication failed. Waiting does not help.
REFUSED = {13, 18}
SILENCE = 3.0
GOODBYE = 0.1
LINES_OF_A_HOLDER = 4


async def count(uri: str, every: float, ticks: int | None, name: str) -> int:
    """Tick until so many ticks are done; the exit code."""
    client = AsyncMongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=int(SILENCE * 1000))
    database = client.get_default_database(DATABASE)
    try:
        async with LockRepository(database["locks"], command_timeout=SILENCE) as locks:
            task = _Task(locks, database["counters"], every, name)
            try:
                return await task.run(ticks)
            except (LockError, PyMongoError) as error:
                say(f"MongoDB refuses: {error}" if _refused(error) else str(error), YELLOW)
                return 1
    finally:
        # It would look for a server once more, to say goodbye.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE):
                await client.close()


class _Task:
    """The ticks of this process, also across times without a server."""

    def __init__(
        self, locks: LockRepository, counters: AsyncCollection[dict[str, Any]], every: float, name: str
    ) -> None:
        self._locks = locks
        self._counters = counters
        self._every = every
        self._name = name

    async def run(self, ticks: int | None) -> int:
        """Until so many ticks are done."""
        done = 0
        async with aclosing(self._locks.every(self._every, self._name)) as iterator:
            async for lease in iterator:
                say(f"Running increment task at {datetime.now(UTC).isoformat(timespec='milliseconds')}", DIM)
                if lease is None:
                    for _ in range(LINES_OF_A_HOLDER):
                        say()
                else:
                    await self._try_to_increment(lease)
                done += 1
                if done == ticks:
                    break
        return 0

    async def _try_to_increment(self, lease: Lease) -> None:
        try:
            await self._increment(lease)
        except (LockError, PyMongoError) as error:
            if _refused(error):
                raise
            say(f"Not known to be incremented: {type(error.__cause__ or error).__name__}", YELLOW)

    async def _increment(self, lease: Lease) -> None:
        say("Lock obtained", GREEN)
        found = await self._counters.find_one({"_id": self._name})
        value = found["value"] if found else 0
        say(f"Counter value: {value}")
        if lease.held:
            await self._counters.update_one({"_id": self._name}, {"$set": {"value": value + 1}}, upsert=True)
            say(f"Counter incremented to: {value + 1}")
        else:
            say("Lock lost: not incremented", YELLOW)
        await lease.release()
        say("Lock released", GREEN)


def _refused(error: Exception) -> bool:
    cause = error.__cause__ or error
    return isinstance(cause, OperationFailure) and cause.code in REFUSED
