"""A migration at the start of a service: it runs in one process, and the others wait until it is done."""

import asyncio
import os
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient

from mongolock_async import LockRepository


async def main() -> None:
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
        os.environ.get("MONGODB_URI", "mongodb://localhost:27017"), w="majority"
    )
    shop = client[os.environ.get("DATABASE", "shop")]

    async def add_currency() -> None:
        # May have been begun before, by a process that died: so it only does what is not yet done.
        await shop.orders.update_many({"currency": {"$exists": False}}, {"$set": {"currency": "EUR"}})
        print("migrated", flush=True)

    async with LockRepository(shop.locks) as locks:
        await locks.once("migration:currency", add_currency)
        print("serving", flush=True)
    client.close()


asyncio.run(main())
