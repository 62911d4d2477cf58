"""A worker of which one process leads, and another takes over; SIGTERM hands over at once."""

import asyncio
import os
import signal
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient

from mongolock_async import Lease, LockRepository


async def serve(lease: Lease) -> None:
    """Runs in the leader. It is cancelled if the lease is lost."""
    print("leading with token", lease.fencing_token, flush=True)
    try:
        while True:
            await asyncio.sleep(0.1)  # the work
    finally:
        print("no longer leading", flush=True)


async def main() -> None:
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
        os.environ.get("MONGODB_URI", "mongodb://localhost:27017"), w="majority"
    )
    async with LockRepository(client[os.environ.get("DATABASE", "shop")].locks, ttl=10) as locks:
        candidate = asyncio.create_task(locks.election("worker", value=f"pid {os.getpid()}").run(serve))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, candidate.cancel)
        await asyncio.wait([candidate])  # the work has ended, and then the lease was released
    client.close()
    if not candidate.cancelled():
        candidate.result()


asyncio.run(main())
