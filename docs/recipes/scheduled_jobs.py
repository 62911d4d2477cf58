"""APScheduler in several processes: each run of a job in one of them.

`at_least` keeps the name taken after a quick run, so that a process that comes later does not run the job
again. It is longer than a run may be late (`misfire_grace_time`, and by how much clocks differ), and shorter
than the time from one run to the next. With `locks.cron`, the server says when a run is due, and none of this
is needed.
"""

import asyncio
import os
import signal
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from motor.motor_asyncio import AsyncIOMotorClient

from mongolock_async import LockRepository, LockTimeoutError


async def main() -> None:
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
        os.environ.get("MONGODB_URI", "mongodb://localhost:27017"), w="majority"
    )
    shop = client[os.environ.get("DATABASE", "shop")]
    async with LockRepository(shop.locks) as locks:

        async def report() -> None:
            try:
                async with locks.lock("report", timeout=0, at_least=1.5):
                    await shop.reports.insert_one({"by": os.getpid()})
                    print("reported", flush=True)
            except LockTimeoutError:
                pass  # another process has it

        scheduler = AsyncIOScheduler(timezone="UTC")
        scheduler.add_job(report, "cron", second="*/2", misfire_grace_time=1)
        scheduler.start()
        over = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
        await over.wait()
        scheduler.shutdown()
    client.close()


asyncio.run(main())
