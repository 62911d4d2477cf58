"""What all activities of a worker have in common: rounds, waits, sections."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

from pymongo.errors import PyMongoError

from mongolock_async import (
    Lease,
    LeaseLostError,
    LockBackendError,
    LockError,
    LockRepository,
    StaleTokenError,
)

from .facts import Role
from .record import Recorder

TTL = 3.0
# Bare leases, under which writes come too late on purpose now and then.
BARE_TTL = 2.0
LATE = 2.5
# Longer than any wait should be, also where one fault follows another.
PATIENCE = 75.0
CAPACITY = 3
PERIOD = 1.0
SAMPLE = 0.005


class Work:
    """What one worker works with, and how it notes what it does.

    Attributes:
        stop: set when it is to come to an end.
        hold: seconds that a section lasts, about.
        rest: seconds between two tries, at the most.
        writes_fenced: whether writes under a lock pass its fence.
    """

    def __init__(
        self,
        locks: LockRepository,
        client: Any,
        recorder: Recorder,
        stop: asyncio.Event,
        *,
        hold: float,
        rest: float,
        fenced: bool,
    ) -> None:
        self.locks = locks
        self.client = client
        self.accounts = client.chaos.accounts
        self.recorder = recorder
        self.stop = stop
        self.hold = hold
        self.rest = rest
        self.writes_fenced = fenced

    async def section(
        self, name: str, lease: Lease, hold: float, weight: int = 1, role: Role | None = None
    ) -> None:
        """Stay inside, and note from when to when the lease was seen to be held."""
        identity = lease._holding.id
        began = end = time.monotonic()
        if not lease.held:
            return
        facts = {
            "lock": name,
            "lease": identity,
            "token": lease.fencing_token,
            "weight": weight,
            "role": role,
        }
        number = self.recorder.number()
        self.recorder.note("begin", t=began, number=number, **facts)
        try:
            while end < began + hold and not self.stop.is_set():
                await asyncio.sleep(SAMPLE)
                now = time.monotonic()
                if not lease.held:
                    break
                end = now
        finally:
            self.recorder.note("end", t=end, number=number)

    @contextlib.contextmanager
    def wait(self, name: str) -> Iterator[None]:
        """A call that waits for this lock."""
        number = self.recorder.number()
        self.recorder.note("wait", lock=name, number=number)
        try:
            yield
        finally:
            self.recorder.note("waited", number=number)

    def granted(self, *leases: Lease) -> None:
        """These were waited for."""
        for lease in leases:
            self.recorder.note("granted", lease=lease._holding.id, token=lease.fencing_token)

    @contextlib.asynccontextmanager
    async def waited(self, name: str, held: AbstractAsyncContextManager[Lease]) -> AsyncIterator[Lease]:
        """The same as ``held``, whose beginning is a wait."""
        with contextlib.ExitStack() as waits:
            waits.enter_context(self.wait(name))
            async with held as lease:
                waits.close()
                self.granted(lease)
                yield lease

    @contextlib.asynccontextmanager
    async def round(self) -> AsyncIterator[None]:
        """What faults may do to a round is counted, and no more."""
        try:
            yield
        except StaleTokenError:
            self.recorder.note("refused")
        except (LeaseLostError, LockError, PyMongoError) as error:
            kind = f" {error.action} {error.kind} {error.code}" if isinstance(error, LockBackendError) else ""
            self.recorder.note("trouble", what=type(error).__name__ + kind)
            await asyncio.sleep(0.05)

    def some(self) -> float:
        """Seconds of a section."""
        return random.uniform(0, 2 * self.hold)

    def now_and_then_long(self) -> float:
        """The same, and seldom longer than a lease lives unless it is renewed."""
        return random.uniform(1, TTL + 1) if random.random() < 0.02 else self.some()
