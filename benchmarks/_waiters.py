"""A process in which members wait, until its input ends.

``python -m benchmarks._waiters KIND URI COUNT LOCKS``.

``KIND``: a driver of ours, or mongoelector. ``LOCKS``: ``one`` that all wait for, or one ``each``.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import Any

from mongolock_async import LockRepository

from ._contenders import NAME, connect, disconnect

SETTLE = 2.0


async def _ours(driver: str, uri: str, names: list[str]) -> None:
    """One client, and a repository for each who waits."""
    client = connect(driver, uri)
    repositories = [LockRepository(client[NAME].waited) for _ in names]
    pairs = zip(repositories, names, strict=True)
    tasks = [asyncio.create_task(locks.acquire(name)) for locks, name in pairs]
    await asyncio.sleep(SETTLE)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await asyncio.gather(*(locks.aclose() for locks in repositories))
    await disconnect(client)


def _mongoelector(uri: str, names: list[str]) -> None:
    """One client, and a thread for each who waits."""
    from mongoelector import MongoLocker  # noqa: PLC0415 - only where it is compared
    from pymongo import MongoClient  # noqa: PLC0415 - likewise

    client: MongoClient[dict[str, Any]] = MongoClient(uri, w="majority", maxPoolSize=200)
    for name in names:
        locker = MongoLocker(name, client[NAME], ttl=600)
        threading.Thread(target=locker.acquire, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(0)  # the threads would wait for ever


def main() -> None:
    """Wait, for locks that somebody else holds."""
    kind, uri, count, locks = sys.argv[1:]
    names = [f"held-{number if locks == 'each' else 0}" for number in range(int(count))]
    if kind == "mongoelector":
        _mongoelector(uri, names)
    else:
        asyncio.run(_ours(kind, uri, names))


if __name__ == "__main__":
    main()
