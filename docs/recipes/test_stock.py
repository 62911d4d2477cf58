"""Unit tests of code under a lock: in memory, without a server, on a clock that the test sets forward."""

import asyncio

import pytest

from mongolock_async import LockRepository, LockTimeoutError
from mongolock_async.testing import MemoryLocks


class Stock:
    """The code that is tested: it is given the locks."""

    def __init__(self, locks: LockRepository, pieces: int) -> None:
        self.locks = locks
        self.pieces = pieces

    async def take(self) -> bool:
        """Whether there was a piece left."""
        async with self.locks.lock("stock", timeout=1):
            left = self.pieces
            await asyncio.sleep(0)  # another task would come in between here
            self.pieces = max(0, left - 1)
            return left > 0


def test_the_last_piece_is_sold_once() -> None:
    async def sell() -> tuple[bool, bool]:
        async with LockRepository(MemoryLocks()) as locks:
            stock = Stock(locks, pieces=1)
            return await asyncio.gather(stock.take(), stock.take())

    assert sorted(asyncio.run(sell())) == [False, True]


def test_a_crashed_process_locks_for_no_longer_than_30_seconds() -> None:
    async def sell() -> bool:
        store = MemoryLocks()  # repositories on the same store see each other, as two processes do
        async with LockRepository(store) as here, LockRepository(store) as crashed:
            await crashed.acquire("stock")
            with pytest.raises(LockTimeoutError):
                await here.acquire("stock", timeout=0)
            store.advance(30)
            return await Stock(here, pieces=1).take()

    assert asyncio.run(sell())
