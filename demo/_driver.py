"""The client of either driver. Nothing else in the demo knows which one it is."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pymongo
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

DRIVERS: dict[str, Any] = {"motor": AsyncIOMotorClient, "pymongo": AsyncMongoClient}
SILENCE = 3.0
GOODBYE = 0.1


@asynccontextmanager
async def connected(driver: str, uri: str) -> AsyncIterator[Any]:
    """A client, closed at the end; a server that is away is not waited for."""
    client = DRIVERS[driver](uri, serverSelectionTimeoutMS=int(SILENCE * 1000))
    try:
        yield client
    finally:
        with contextlib.suppress(PyMongoError), pymongo.timeout(GOODBYE):
            closing = client.close()
            if closing is not None:  # PyMongo's is a coroutine, Motor's is done
                await closing
