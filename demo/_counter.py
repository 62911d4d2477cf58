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
                if lease is None:
                    _say(datetime.now(UTC), "another terminal's tick", DIM)
                else:
                    await self._try_to_increment(lease)
                if self._seen == ticks:
                    break

    def say_goodbye(self) -> None:
        """How many ticks there were, and how many were ours."""
        say(f"{self._ours} of {self._seen} ticks were this terminal's.", DIM)

    async def _try_to_increment(self, lease: Lease) -> None:
        assert lease.boundary is not None
        try:
            await self._increment(lease, lease.boundary)
        except (LockError, PyMongoError) as error:
            if _refused(error):
                raise
            text = f"Not known to be incremented: {type(error.__cause__ or error).__name__}"
            _say(lease.boundary, text, YELLOW)

    async def _increment(self, lease: Lease, tick: datetime) -> None:
        """Under the lease, which the schedule releases when it is asked for the next tick."""
        found = await self._counters.find_one({"_id": self._task.name})
        value = (found["value"] if found else 0) + 1
        if not lease.held:
            _say(tick, "Lock lost: not incremented", YELLOW)
            return
        await self._counters.update_one({"_id": self._task.name}, {"$set": {"value": value}}, upsert=True)
        self._ours += 1
        _say(tick, f"Lock obtained. Counter incremented to: {value}", GREEN)


def _say(tick: datetime, text: str, colour: str) -> None:
    say(f"{tick.astimezone():%H:%M:%S}  {text}", colour)


def _refused(error: Exception) -> bool:
    cause = error.__cause__ or error
    return isinstance(cause, OperationFailure) and cause.code in REFUSED
