"""Writes under a lock, which may come too late."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pymongo
from pymongo import ReturnDocument

from mongolock_async import Lease

from .sections import bare
from .work import BARE_TTL, LATE, PATIENCE, Work

# A transaction that hangs is given up.
TRANSACTION = 15.0


async def fenced(work: Work, name: str) -> None:
    """The fence refuses those that come too late."""
    while not work.stop.is_set():
        held = bare(work.locks.acquire(name, ttl=BARE_TTL, timeout=PATIENCE))
        async with work.round(), work.waited(name, held) as lease:
            await asyncio.sleep(_late(work))
            through = lease.fenced(work.accounts) if work.writes_fenced else work.accounts
            written = await through.find_one_and_update(
                {"_id": name}, {"$inc": {"n": 1}}, upsert=True, return_document=ReturnDocument.AFTER
            )
            _note(work, name, lease, written["n"])
        await asyncio.sleep(random.uniform(0, 0.1))


async def transactions(work: Work, name: str) -> None:
    """``verify`` aborts the transactions that come too late."""
    while not work.stop.is_set():
        held = bare(work.locks.acquire(name, ttl=BARE_TTL, timeout=PATIENCE))
        async with work.round(), work.waited(name, held) as lease:
            await asyncio.sleep(_late(work))
            _note(work, name, lease, await _transaction(work, name, lease))
        await asyncio.sleep(random.uniform(0, 0.2))


async def _transaction(work: Work, name: str, lease: Lease) -> int:
    async def body(session: Any) -> int:
        written = await work.accounts.find_one_and_update(
            {"_id": name},
            {"$inc": {"n": 1}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        await lease.verify(session)
        return int(written["n"])

    session = work.client.start_session()
    async with await session if asyncio.iscoroutine(session) else session as open_session:
        with pymongo.timeout(TRANSACTION):
            order: int = await open_session.with_transaction(body)
    return order


def _note(work: Work, name: str, lease: Lease, order: int) -> None:
    work.recorder.note("write", lock=name, order=order, token=lease.fencing_token)


def _late(work: Work) -> float:
    return LATE if random.random() < 0.05 else work.some()
