"""Blocking code under a lock: it runs in a thread, looks whether the lease is held, and is waited for.

A thread cannot be cancelled. Without the shield below, a cancelled block would release the lock while the
thread still works.
"""

import asyncio
import contextlib
import os
import threading
import time
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient

from mongolock_async import Lease, LockRepository


def import_rows(lease: Lease, stop: threading.Event) -> int:
    """The blocking code: between two rows, it looks whether it may go on."""
    for row in range(20):
        if stop.is_set() or not lease.held:
            return row
        time.sleep(0.01)  # the work
    return 20


async def main() -> None:
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
        os.environ.get("MONGODB_URI", "mongodb://localhost:27017"), w="majority"
    )
    async with LockRepository(client[os.environ.get("DATABASE", "shop")].locks) as locks:
        async with locks.lock("import") as lease:
            stop = threading.Event()
            work = asyncio.create_task(asyncio.to_thread(import_rows, lease, stop))
            try:
                rows = await asyncio.shield(work)
            finally:
                stop.set()
                while not work.done():  # cancelled twice, it is waited for all the same
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.wait([work])
        print("imported", rows, "rows")
    client.close()


asyncio.run(main())
