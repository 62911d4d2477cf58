"""What a worker does with locks: an endless round of each kind."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

import pymongo
from pymongo import ReturnDocument
from pymongo.errors import PyMongoError

from mongolock_async import (
    Lease,
    LeaseLostError,
    Lock,
    LockBackendError,
    LockError,
    LockRepository,
    LockTimeoutError,
    StaleTokenError,
)
from mongolock_async._protocol.request import Request

from .history import Role
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
# A transaction that hangs is given up.
TRANSACTION = 15.0


class Work:
    """The activities of one worker."""

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
        self._locks = locks
        self._client = client
        self._accounts = client.chaos.accounts
        self._recorder = recorder
        self._stop = stop
        self._hold = hold
        self._rest = rest
        self._fenced = fenced

    async def blocks(self, name: str) -> None:
        """``async with``, kept alive, now and then for longer than the ttl."""
        while not self._stop.is_set():
            async with self._round(), self._waited(name, self._locks.lock(name, timeout=PATIENCE)) as lease:
                long = random.random() < 0.02
                await self._section(name, lease, random.uniform(1, TTL + 1) if long else self._some())
            await asyncio.sleep(random.uniform(0, 0.05))

    async def tries(self, name: str) -> None:
        """``obtain``, and a section if it is granted."""
        while not self._stop.is_set():
            async with self._round():
                lease = await self._locks.obtain(name, keep_alive=True)
                if lease is not None:
                    await self._section(name, lease, self._some())
                    await lease.release()
            await asyncio.sleep(random.uniform(self._rest / 10, self._rest))

    async def semaphore(self, name: str) -> None:
        """Several inside at a time, of different weights."""
        self._recorder.note("capacity", lock=name, capacity=CAPACITY)
        while not self._stop.is_set():
            weight = random.randint(1, CAPACITY - 1)
            request = Request(
                name, "semaphore", TTL, keep_alive=True, weight=weight, capacity=CAPACITY, kind="semaphore"
            )
            held = self._bare(self._acquired(request))
            async with self._round(), self._waited(name, held) as lease:
                await self._section(name, lease, self._some(), weight)
            await asyncio.sleep(random.uniform(0, 0.1))

    async def readers(self, name: str) -> None:
        """A reader-writer lock: of ten who come, eight read, one writes, and one is upgraded."""
        cfg = self._locks.rwlock(name, timeout=PATIENCE)
        ways: dict[Role, Lock] = {
            "reader": cfg.read(),
            "upgradable": cfg.upgradable(),
            "writer": cfg.write(),
        }
        while not self._stop.is_set():
            (role,) = random.choices(list(ways), [8, 1, 1])
            async with self._round(), self._waited(name, ways[role]) as lease:
                await self._section(name, lease, self._some(), role=role)
                if role == "upgradable":
                    await self._upgraded(name, lease)
            await asyncio.sleep(random.uniform(0, 0.1))

    async def _upgraded(self, name: str, lease: Lease) -> None:
        """Now and then it gives up, and upgrades again; and is a reader in the end."""
        for timeout in random.sample([0.01, 0.1, PATIENCE], random.randint(1, 3)):
            number = self._recorder.number()
            self._recorder.note("wait", lock=name, number=number)
            try:
                await lease.upgrade(timeout)
                self._recorder.note("upgraded")
            except LockTimeoutError:
                self._recorder.note("upgrade given up")
                continue
            finally:
                self._recorder.note("waited", number=number)
            await self._section(name, lease, self._some(), role="writer")
            await lease.downgrade()
            await self._section(name, lease, self._some(), role="upgradable")

    async def fenced(self, name: str) -> None:
        """Writes that may come too late; the fence refuses those."""
        accounts = self._accounts
        while not self._stop.is_set():
            held = self._bare(self._locks.acquire(name, ttl=BARE_TTL, timeout=PATIENCE))
            async with self._round(), self._waited(name, held) as lease:
                await asyncio.sleep(self._late())
                written = await (lease.fenced(accounts) if self._fenced else accounts).find_one_and_update(
                    {"_id": name}, {"$inc": {"n": 1}}, upsert=True, return_document=ReturnDocument.AFTER
                )
                self._recorder.note("write", lock=name, order=written["n"], token=lease.fencing_token)
            await asyncio.sleep(random.uniform(0, 0.1))

    async def transactions(self, name: str) -> None:
        """Transactions that may come too late; ``verify`` aborts those."""
        while not self._stop.is_set():
            held = self._bare(self._locks.acquire(name, ttl=BARE_TTL, timeout=PATIENCE))
            async with self._round(), self._waited(name, held) as lease:
                await asyncio.sleep(self._late())
                order = await self._transaction(name, lease)
                self._recorder.note("write", lock=name, order=order, token=lease.fencing_token)
            await asyncio.sleep(random.uniform(0, 0.2))

    async def ticks(self, name: str) -> None:
        """``every``: each boundary in one process."""
        while not self._stop.is_set():
            async with self._round(), contextlib.aclosing(self._locks.every(PERIOD, name)) as boundaries:
                async for lease in boundaries:
                    if lease is not None:
                        self._recorder.note("run", boundary=lease._holding.boundary_ms)
                        await asyncio.sleep(random.uniform(0, 0.1))
                    if self._stop.is_set():
                        break
            await asyncio.sleep(0.05)

    async def _transaction(self, name: str, lease: Lease) -> int:
        async def body(session: Any) -> int:
            written = await self._accounts.find_one_and_update(
                {"_id": name},
                {"$inc": {"n": 1}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
                session=session,
            )
            await lease.verify(session)
            return int(written["n"])

        session = self._client.start_session()
        async with await session if asyncio.iscoroutine(session) else session as open_session:
            with pymongo.timeout(TRANSACTION):
                order: int = await open_session.with_transaction(body)
        return order

    async def _section(
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
        number = self._recorder.number()
        self._recorder.note("begin", t=began, number=number, **facts)
        try:
            while end < began + hold and not self._stop.is_set():
                await asyncio.sleep(SAMPLE)
                now = time.monotonic()
                if not lease.held:
                    break
                end = now
        finally:
            self._recorder.note("end", t=end, number=number)

    @contextlib.asynccontextmanager
    async def _waited(self, name: str, held: AbstractAsyncContextManager[Lease]) -> AsyncIterator[Lease]:
        number, waits = self._recorder.number(), True
        self._recorder.note("wait", lock=name, number=number)
        try:
            async with held as lease:
                waits = False
                self._recorder.note("waited", number=number)
                identity = lease._holding.id
                self._recorder.note("granted", lease=identity, token=lease.fencing_token)
                yield lease
        finally:
            if waits:
                self._recorder.note("waited", number=number)

    async def _acquired(self, request: Request) -> Lease:
        member = self._locks._member
        return Lease(member, await member.acquire(request, PATIENCE))

    @contextlib.asynccontextmanager
    async def _bare(self, acquiring: Awaitable[Lease]) -> AsyncIterator[Lease]:
        lease = await acquiring
        try:
            yield lease
        finally:
            await lease.release()

    @contextlib.asynccontextmanager
    async def _round(self) -> AsyncIterator[None]:
        """What faults may do to a round is counted, and no more."""
        try:
            yield
        except StaleTokenError:
            self._recorder.note("refused")
        except (LeaseLostError, LockError, PyMongoError) as error:
            kind = f" {error.action} {error.kind} {error.code}" if isinstance(error, LockBackendError) else ""
            self._recorder.note("trouble", what=type(error).__name__ + kind)
            await asyncio.sleep(0.05)

    def _some(self) -> float:
        return random.uniform(0, 2 * self._hold)

    def _late(self) -> float:
        return LATE if random.random() < 0.05 else self._some()


KINDS: dict[str, Callable[[Work], Coroutine[Any, Any, None]]] = {
    "blocks": lambda work: work.blocks("block"),
    "more": lambda work: work.blocks("another block"),
    "tries": lambda work: work.tries("try"),
    "semaphore": lambda work: work.semaphore("semaphore"),
    "readers": lambda work: work.readers("readers"),
    "fenced": lambda work: work.fenced("fenced"),
    "transactions": lambda work: work.transactions("transaction"),
    "ticks": lambda work: work.ticks("tick"),
}
