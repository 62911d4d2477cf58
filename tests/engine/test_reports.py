"""What the log says of renewals and of losses."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from conftest import MakeRepository
from faulty import Fault, FaultyLocks
from renewals import TTL, Kept, Server
from waiters import now, waiting

from mongolock_async import LockBackendError, LockRepository

REFUSED = LockBackendError("renew", None, "OperationFailure", 13)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    yield server
    await server.keeper.aclose()


async def test_a_line_names_the_lock_and_the_kind_of_error(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.fails, server.error = 1, REFUSED
    server.keep(Kept("s.1", name="cron"))
    await asyncio.sleep(1.1)
    assert caplog.messages == [
        "renewal of the lease of 'cron' failed: OperationFailure (code 13); trying again"
    ]


async def test_a_place_is_not_called_a_lease(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.fails = 1
    server.keep(Kept("s.1", name="cron", kind="place"))
    await asyncio.sleep(1.1)
    # The text of an error may quote the server: its kind must do.
    assert caplog.messages == ["renewal of the place for 'cron' failed: OSError; trying again"]


async def test_a_first_life_is_that_of_a_lease(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.fails = 1
    server.keep(Kept("s.1", name="cron", kind="first"))
    await asyncio.sleep(0.3)
    assert caplog.messages == ["renewal of the lease of 'cron' failed: OSError; trying again"]


async def test_of_many_a_line_says_how_many(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.fails = 2
    server.keep(*(Kept(f"s.{number}") for number in range(7)), Kept("p.1", kind="place"))
    await asyncio.sleep(2.2)
    assert caplog.messages[:2] == [
        "renewal of 7 leases failed: OSError; trying again",
        "renewal of 7 leases and 1 place works again",
    ]


async def test_what_has_no_answer_says_so(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.takes = {"s.1": 60}
    server.keep(Kept("s.1", name="cron"))
    await asyncio.sleep(1.6)
    assert caplog.messages == ["renewal of the lease of 'cron' failed: no answer in time; trying again"]


async def test_one_line_says_that_renewals_work_again(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.fails = 2
    server.keep(Kept("s.1", name="cron"))
    await asyncio.sleep(20)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert caplog.messages[1] == "renewal of the lease of 'cron' works again"


async def test_nothing_works_again_while_one_fails(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.takes = {"s.1": 60}
    server.keep(Kept("s.1", name="cron"), Kept("s.2"), Kept("s.3"))
    await asyncio.sleep(5)
    assert "works again" not in caplog.text
    assert caplog.messages[0] == "renewal of 3 leases failed: no answer in time; trying again"
    assert caplog.messages[-1] == "renewal of the lease of 'cron' failed: no answer in time; trying again"
    server.takes = {}
    await asyncio.sleep(5)
    assert caplog.messages[-1] == "renewal of 3 leases works again"


async def test_leases_that_are_given_up_do_not_work_again(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.fails = 1000
    server.keep(lost := Kept("s.1", name="lost"))
    await asyncio.sleep(2)
    server.keeper.discard(lost)
    await asyncio.sleep(20)
    assert "works again" not in caplog.text
    server.fails = 0
    server.keep(Kept("s.2", name="next"))
    await asyncio.sleep(2)
    assert caplog.messages[-1] == "renewal of the lease of 'next' works again"


async def test_a_lease_that_fails_once_more_and_is_given_up_is_none_that_works(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    leases = [Kept("s.1", name="good"), Kept("s.2", name="bad"), Kept("s.3", name="worse")]
    server.takes = {"s.3": 60}
    server.keep(*leases)
    await asyncio.sleep(1.9)  # one by one: the others are renewed again
    server.takes = {"s.2": 60, "s.3": 60}
    await asyncio.sleep(1.5)
    for lease in leases[1:]:
        server.keeper.discard(lease)
    await asyncio.sleep(3)
    assert caplog.messages[-1] == "renewal of the lease of 'good' works again"


async def test_there_is_a_line_a_second_at_the_most(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """However many leases fail, each at a time of its own."""
    server.fails = 1_000_000
    for number in range(300):
        server.keep(Kept(f"s.{number}", ttl=1 + number / 10))
    before = now()
    for _ in range(200):
        await asyncio.sleep(0.1)
        if now() - before > 10 and server.fails:
            server.fails = 0
    assert 8 < len(caplog.messages) <= 21
    assert len(server.batches) > 30


async def test_closing_says_nothing_of_what_failed(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.fails = 1000
    server.keep(Kept("s.1"), Kept("p.1", kind="place"))
    await asyncio.sleep(1.1)
    await server.keeper.aclose()
    await asyncio.sleep(5)
    assert caplog.messages == ["renewal of the lease of 's.1' failed: OSError; trying again"]
    assert not server.clock._timers


async def test_500_leases_that_are_refused_for_a_whole_ttl_make_few_lines_and_commands(
    memory: FaultyLocks, locks: LockRepository, caplog: pytest.LogCaptureFixture
) -> None:
    leases = [await locks.acquire(f"n{number}", ttl=30, keep_alive=True) for number in range(500)]
    memory.faults.append(Fault("renew", error=REFUSED, times=1_000_000))
    memory.sent.clear()
    await asyncio.sleep(35)
    assert not any(lease.held for lease in leases)
    assert (locks.stats().losses, memory.sent["renew"]) == (500, 4)
    *failures, first, others = caplog.messages
    assert failures == ["renewal of 500 leases failed: OperationFailure (code 13); trying again"] * 4
    assert re.fullmatch(r"lease of 'n\d+' is lost: expired unrenewed", first)
    assert re.fullmatch(r"leases of ('n\d+', ){2}'n\d+' and 496 more are lost: expired unrenewed", others)


async def test_500_leases_on_a_silent_server_make_few_lines_and_commands(
    memory: FaultyLocks, locks: LockRepository, caplog: pytest.LogCaptureFixture
) -> None:
    leases = [await locks.acquire(f"n{number}", ttl=30, keep_alive=True) for number in range(500)]
    memory.faults.append(Fault("renew", delay=60, times=1_000_000))
    memory.sent.clear()
    await asyncio.sleep(35)
    assert not any(lease.held for lease in leases)
    assert memory.sent["renew"] <= 40
    assert len(caplog.messages) <= 20
    memory.faults.clear()


async def test_closing_says_at_once_what_was_lost_just_now(
    memory: FaultyLocks, make: MakeRepository, caplog: pytest.LogCaptureFixture
) -> None:
    locks = make()
    for number, name in enumerate("abc"):
        await locks.acquire(name, ttl=3 + number / 10)
    await asyncio.sleep(3.1)
    await locks.aclose()
    assert caplog.messages == [
        "lease of 'a' is lost: expired unrenewed",
        "leases of 'b', 'c' are lost: expired unrenewed",
    ]
    assert not memory.clock._timers


async def test_one_who_waits_is_told_of_by_its_place(
    memory: FaultyLocks, locks: LockRepository, others: LockRepository, caplog: pytest.LogCaptureFixture
) -> None:
    await locks.acquire("cron", ttl=600)
    memory.faults.append(Fault("refresh", error=REFUSED))
    waiter = waiting(others)
    await asyncio.sleep(6)
    assert caplog.messages == [
        "renewal of the place for 'cron' failed: OperationFailure (code 13); trying again",
        "renewal of the place for 'cron' works again",
    ]
    waiter.cancel()
    await asyncio.sleep(TTL)


def cancel_all() -> None:
    """As ``asyncio.run`` does at its end."""
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


async def test_a_line_says_that_renewals_were_cancelled_with_all_tasks(
    locks: LockRepository, caplog: pytest.LogCaptureFixture
) -> None:
    leases = [await locks.acquire(name, keep_alive=True) for name in "abc"]
    await asyncio.sleep(60)
    cancel_all()
    await asyncio.sleep(1)
    assert caplog.messages == ["the task that renews was cancelled: no more renewals of 3 leases"]
    await asyncio.sleep(60)
    assert all(lease.lost.is_set() for lease in leases)


async def test_of_what_was_cancelled_all_is_renewed_again_with_the_next_lease(locks: LockRepository) -> None:
    lease = await locks.acquire("cron", keep_alive=True)
    await asyncio.sleep(1)
    cancel_all()
    await asyncio.sleep(1)
    await locks.acquire("other", keep_alive=True)
    await asyncio.sleep(60)
    assert lease.held


@pytest.mark.parametrize("closed", [False, True])
async def test_of_renewals_that_end_when_no_lease_is_kept_there_is_no_line(
    locks: LockRepository, caplog: pytest.LogCaptureFixture, *, closed: bool
) -> None:
    async with await locks.acquire("cron", keep_alive=True):
        await asyncio.sleep(1)
        if closed:
            await locks.aclose()
    cancel_all()
    await asyncio.sleep(60)
    assert caplog.messages == []


async def test_of_places_whose_renewals_were_cancelled_there_is_no_line(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.keep(Kept("s.1", kind="place"))
    await asyncio.sleep(0.5)
    cancel_all()
    await asyncio.sleep(0.5)
    assert caplog.messages == []
