"""Transactions, by either driver."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any


class Account:
    """What the transactions change."""

    def __init__(self, collection: Any) -> None:
        self.collection = collection

    async def add(self, session: Any) -> None:
        await self.collection.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)

    async def balance(self) -> int:
        found = await self.collection.find_one({"_id": 1})
        return int(found["n"])


@asynccontextmanager
async def session_of(client: Any) -> AsyncIterator[Any]:
    """Motor awaits the session, and PyMongo the transaction."""
    session = client.start_session()
    async with await session if inspect.isawaitable(session) else session as entered:
        yield entered


@asynccontextmanager
async def transaction_of(client: Any) -> AsyncIterator[Any]:
    async with session_of(client) as session:
        started = session.start_transaction()
        async with await started if inspect.isawaitable(started) else started:
            yield session


async def transact(client: Any, work: Callable[[Any], Awaitable[None]]) -> int:
    """Have the driver carry it out; how often it was tried."""
    tries = 0

    async def counted(session: Any) -> None:
        nonlocal tries
        tries += 1
        await work(session)

    async with session_of(client) as session:
        await session.with_transaction(counted)
    return tries
