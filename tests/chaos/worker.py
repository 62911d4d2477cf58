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
from pymongo import AsyncMongoClient, WriteConcern
from pymongo.read_concern import ReadConcern

from mongolock_async import LockError, LockRepository, _queue, _ticks
from mongolock_async._document import Reply, Tick
from mongolock_async._holding import Holding
from mongolock_async._place import Place
from mongolock_async._request import Request
from mongolock_async._session import Session

from .record import Recorder
from .work import KINDS, PATIENCE, TTL, Work

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
    parser.add_argument("--do", nargs="+", choices=list(KINDS), default=list(KINDS))
    options = parser.parse_args()

    recorder = Recorder(options.file)
    _note_places(recorder)
    _note_boundaries()
    stop = asyncio.Event()
    client = client_of(options.driver, options.uri)
    locks = LockRepository(client.chaos.locks, owner=options.owner, ttl=options.ttl, clock_margin=0.5)
    if options.weak == "w1":
        weak = locks._store._majority.with_options(
            write_concern=WriteConcern(1), read_concern=ReadConcern("local")
        )
        locks._store._majority = weak
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, lambda: _fork(locks, recorder))
    work = Work(locks, client, recorder, stop, hold=options.hold, fenced=options.weak != "unfenced")
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
    held = list(locks._session._claims.held.values())
    pid = os.fork()
    if pid == 0:
        believes = any(holding.held or holding.remaining for holding in held)
        try:
            locks._session.check_usable()
        except LockError:
            os._exit(1 if believes else 0)
        os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    recorder.note("fork" if status == 0 else "forked child believes", leases=len(held))


def _note_places(recorder: Recorder) -> None:
    """When a place in a queue is asked for, and when it is known to be had."""

    class NotedPlace(Place):
        def __init__(self, name: str, lease_id: str) -> None:
            super().__init__(name, lease_id)
            recorder.note("asked", lock=name, lease=lease_id)

        def heard(self, sent: float, reply: Reply) -> None:
            super().heard(sent, reply)
            recorder.note("queued", lease=self.id)

    _queue.Place = NotedPlace  # type: ignore[attr-defined]  # nothing else tells when it is queued


def _note_boundaries() -> None:
    """The lease of ``every`` does not say for which boundary it is."""
    claim = _ticks._claim

    async def noted(
        session: Session, request: Request, period_ms: int, done_ms: int
    ) -> tuple[Holding | None, Tick]:
        holding, tick = await claim(session, request, period_ms, done_ms)
        if holding is not None:
            holding.boundary = tick.boundary_ms  # type: ignore[attr-defined]  # for `Work.ticks`
        return holding, tick

    _ticks._claim = noted


if __name__ == "__main__":
    random.seed(os.urandom(8))
    asyncio.run(main())
