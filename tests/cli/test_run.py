"""The word on the release at the end of ``mongolock run``."""

from __future__ import annotations

import asyncio

import pytest
from faulty import FaultyLocks, lost
from waiters import now

from mongolock_async import LockRepository
from mongolock_async._cli.run import LATE_WORD, WORD, released

Capture = pytest.CaptureFixture[str]
UNCONFIRMED = "mongolock: the release of 'cron' was not confirmed: it may stay taken for {ttl} s\n"


async def test_it_is_waited_for_five_seconds_while_the_lease_lasts(
    locks: LockRepository, memory: FaultyLocks, capsys: Capture
) -> None:
    lease = await locks.acquire("cron", ttl=30)
    began = now()
    with memory.silent():
        assert await released(lease) is True
    assert now() - began == pytest.approx(WORD)
    assert capsys.readouterr().err == UNCONFIRMED.format(ttl=30)


async def test_an_error_is_told_as_long_as_the_lease_lasts(
    locks: LockRepository, memory: FaultyLocks, capsys: Capture
) -> None:
    lease = await locks.acquire("cron", ttl=3)
    memory.faults.append(lost("release"))
    assert await released(lease) is True
    assert capsys.readouterr().err == UNCONFIRMED.format(ttl=3)


async def test_a_lease_that_is_over_is_lost_without_a_word_half_a_second_later(
    locks: LockRepository, memory: FaultyLocks, capsys: Capture
) -> None:
    lease = await locks.acquire("cron", ttl=3)
    with memory.silent():
        await asyncio.sleep(3)
        began = now()
        assert await released(lease) is False
    assert now() - began == pytest.approx(LATE_WORD)
    assert capsys.readouterr().err == ""
