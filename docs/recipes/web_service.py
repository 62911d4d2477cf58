"""FastAPI: an order is charged once, though its button is pressed twice, and in two processes.

uvicorn web_service:app
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from motor.motor_asyncio import AsyncIOMotorClient

from mongolock_async import LeaseLostError, LockError, LockRepository, LockTimeoutError, StaleTokenError

# It connects at the first request, in the event loop of the server.
client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
    os.environ.get("MONGODB_URI", "mongodb://localhost:27017"), w="majority"
)
shop = client[os.environ.get("DATABASE", "shop")]
locks = LockRepository(shop.locks)
# Seconds that a press of the button waits for another one, before it is refused.
TIMEOUT = float(os.environ.get("ORDER_TIMEOUT", "2"))


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """The server ends this when all requests have their answers; then the locks are closed."""
    async with locks:
        yield
    client.close()


app = FastAPI(lifespan=lifespan)


@app.post("/orders/{order}/charge")
async def charge(order: str) -> dict[str, Any]:
    """One request at a time for each order; requests for other orders do not wait."""
    async with locks.lock(f"order:{order}", timeout=TIMEOUT) as lease:
        known = await shop.orders.find_one({"_id": order})
        if known is None or "receipt" not in known:
            receipt = await pay(order)
            # Refused if the lease was lost meanwhile and a newer holder has written.
            await lease.fenced(shop.orders).update_one(
                {"_id": order}, {"$set": {"receipt": receipt}}, upsert=True
            )
            return {"receipt": receipt}
        return {"receipt": known["receipt"]}


async def pay(order: str) -> str:
    """What must be done once: in your service, a request to another one, with the order as its key."""
    await asyncio.sleep(0.01)
    await shop.payments.insert_one({"order": order})
    return uuid4().hex


@app.get("/health")
async def health() -> str:
    """The event loop answers. It does not ask MongoDB: a restart would not bring that back."""
    return "ok"


@app.exception_handler(LockTimeoutError)
@app.exception_handler(StaleTokenError)
async def taken(_: Request, error: Exception) -> JSONResponse:
    """Another request has the order."""
    return JSONResponse({"error": str(error)}, status_code=409)


@app.exception_handler(LockError)
@app.exception_handler(LeaseLostError)
async def unavailable(_: Request, error: Exception) -> JSONResponse:
    """MongoDB is away, or the lease was lost: it may be tried again."""
    return JSONResponse({"error": str(error)}, status_code=503, headers={"Retry-After": "1"})
