"""One process that contends for locks, and writes down what it did: ``python -m chaos.worker``."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
from pathlib import Path
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient

from mongolock_async import LockError, LockRepository
from mongolock_async._engine import waiting
from mongolock_async._engine.clock import Clock
from mongolock_async._engine.place import Place
from mongolock_async._mongo.backend import MongoBackend
from mongolock_async._protocol.reply import Reply

from .kinds import KINDS
from .record import Recorder
from .work import PATIENCE, TTL, Work

DRIVERS = ("pymongo", "motor")
# Weaker settings, under which the rules must be seen to break.
WEAK = ("w1", "unfenced")


def client_of(driver: str, uri: str) -> Any:
    """The client of either driver, with writes that a majority acknowledges."""
    if driver == "motor":
        motor: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(uri, w="majority")
        return motor
    return AsyncMongoClient[dict[str, Any]](uri, w="majority")


async def main() -> None:
    """Work until SIGTERM; SIGUSR1 forks."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--driver", choices=DRIVERS, required=True)
    parser.add_argument("--uri", required=True)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--owner", required=True)
    parser.add_argument("--weak", choices=WEAK)
    parser.add_argument("--ttl", type=float, default=TTL)
    parser.add_argument("--hold", type=float, default=0.03)
    parser.add_argument("--rest", type=float, default=0.2)
    parser.add_argument("--do", nargs="+", choices=list(KINDS), default=list(KINDS))
    options = parser.parse_args()

    recorder = Recorder(options.file)
    _note_places(recorder)
    stop = asyncio.Event()
    client = client_of(options.driver, options.uri)
    locks = LockRepository(client.chaos.locks, owner=options.owner, ttl=options.ttl, clock_margin=0.5)
    if options.weak == "w1":
        assert isinstance(locks._backend, MongoBackend)
        locks._backend._link.majority = locks._backend._link.local
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, lambda: _fork(locks, recorder))
    recorder.note("hello")
    fenced = options.weak != "unfenced"
    work = Work(locks, client, recorder, stop, hold=options.hold, rest=options.rest, fenced=fenced)
    tasks = [asyncio.create_task(KINDS[kind](work)) for kind in options.do]
    await stop.wait()
    await asyncio.wait(tasks, timeout=PATIENCE)
    recorder.note("bye")
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()  # an error that no activity expects, with its traceback
    await locks.aclose()
    closing = client.close()
    if closing is not None:
        await closing


def _fork(locks: LockRepository, recorder: Recorder) -> None:
    """A child must believe that it holds nothing, and must not be let near the locks."""
    held = list(locks._member.leases.held.values())
    pid = os.fork()
    if pid == 0:
        believes = any(holding.held or holding.remaining for holding in held)
        try:
            locks._member.lifetime.check()
        except LockError:
            os._exit(1 if believes else 0)
        os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    recorder.note("fork" if status == 0 else "forked child believes", leases=len(held))


def _note_places(recorder: Recorder) -> None:
    """When a place in a queue is asked for, and when it is known to be had."""

    class NotedPlace(Place):
        def __init__(self, name: str, lease_id: str, clock: Clock, *, keep_alive: bool) -> None:
            super().__init__(name, lease_id, clock, keep_alive=keep_alive)
            recorder.note("asked", lock=name, lease=lease_id)

        def answered(self, reply: Reply | None) -> None:
            super().answered(reply)
            if self.waits:
                recorder.note("queued", lease=self.id)

    waiting.Place = NotedPlace  # type: ignore[assignment, attr-defined]  # nothing else tells when it is queued


if __name__ == "__main__":
    random.seed(os.urandom(8))
    asyncio.run(main())
