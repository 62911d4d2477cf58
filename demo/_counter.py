"""The task: read a counter, and write it one higher. Only a lock makes that right."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pymongo.errors import OperationFailure, PyMongoError

from mongolock_async import Lease, LockError, LockRepository

from ._driver import SILENCE, connected
from ._terminal import DIM, GREEN, YELLOW, say

DATABASE = "mongolock_demo"
# Codes: not authorised, authentication failed. Waiting does not help.
REFUSED = {13, 18}
# The others say as many empty lines, so that terminals side by side stay aligned.
LINES_OF_A_HOLDER = 4


@dataclass(frozen=True, slots=True)
class Task:
    """What all terminals do together.

    Attributes:
        every: seconds between two ticks.
        name: of the lock, and of the counter.
        driver: by which this terminal speaks to MongoDB.
    """

    every: float
    name: str
    driver: str


async def count(uri: str, task: Task, ticks: int | None) -> int:
    """Tick until so many ticks are over; the exit code."""
    async with connected(task.driver, uri) as client:
        database = client.get_default_database(DATABASE)
        async with LockRepository(database["locks"], command_timeout=SILENCE) as locks:
            terminal = _Terminal(locks, database["counters"], task)
            try:
                await terminal.run(ticks)
            except (LockError, PyMongoError) as error:
                say(f"MongoDB refuses: {error}" if _refused(error) else str(error), YELLOW)
                return 1
            finally:
                terminal.say_goodbye()
    return 0


class _Terminal:
    """The ticks of this process, also across times without a server."""

    def __init__(
        self,
        locks: LockRepository,
        counters: Any,  # noqa: ANN401 - of either driver
        task: Task,
    ) -> None:
        self._locks = locks
        self._counters = counters
        self._task = task
        self._seen = 0
        self._ours = 0

    async def run(self, ticks: int | None) -> None:
        """Until so many ticks are over."""
        say(f"Every {self._task.every:g} s, whoever gets the lock counts.")
        say("Ctrl-C ends this terminal.")
        async with aclosing(self._locks.every(self._task.every, self._task.name)) as schedule:
            async for lease in schedule:
                self._seen += 1
                say(f"Running increment task at {datetime.now(UTC).isoformat(timespec='milliseconds')}", DIM)
                if lease is None:
                    for _ in range(LINES_OF_A_HOLDER):
                        say()
                else:
                    await self._try_to_increment(lease)
                if self._seen == ticks:
                    break

    def say_goodbye(self) -> None:
        """How many ticks there were, and how many were ours."""
        say(f"{self._ours} of {self._seen} ticks were this terminal's.", DIM)

    async def _try_to_increment(self, lease: Lease) -> None:
        try:
            await self._increment(lease)
        except (LockError, PyMongoError) as error:
            if _refused(error):
                raise
            say(f"Not known to be incremented: {type(error.__cause__ or error).__name__}", YELLOW)

    async def _increment(self, lease: Lease) -> None:
        say("Lock obtained", GREEN)
        found = await self._counters.find_one({"_id": self._task.name})
        value = found["value"] if found else 0
        say(f"Counter value: {value}")
        if lease.held:
            await self._counters.update_one(
                {"_id": self._task.name}, {"$set": {"value": value + 1}}, upsert=True
            )
            self._ours += 1
            say(f"Counter incremented to: {value + 1}")
        else:
            say("Lock lost: not incremented", YELLOW)
        await lease.release()
        say("Lock released", GREEN)


def _refused(error: Exception) -> bool:
    cause = error.__cause__ or error
    return isinstance(cause, OperationFailure) and cause.code in REFUSED
