"""The renewal loop: which leases are renewed together."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest
from renewals import LIMIT, TTL, Kept, Server

from mongolock_async import LockBackendError
from mongolock_async._engine.keepalive import IN_FLIGHT
from mongolock_async._engine.retries import BATCH, PART

# Of a document that cannot be computed with, and of one that a transaction keeps until the time is over.
BROKEN = LockBackendError("renew", None, "WriteError", 14)
LOCKED = LockBackendError("renew", None, "ExecutionTimeout", 50)
SILENT = LockBackendError("renew", None, "NetworkTimeout")
# Of everybody.
GENERAL: list[Exception] = [
    LockBackendError("renew", None, "OperationFailure", 13),
    LockBackendError("renew", None, "OperationFailure", 18),
    LockBackendError("renew", None, "NotPrimaryError", 10107),
    LockBackendError("renew", None, "WriteError", 189),
    LockBackendError("renew", None, "WTimeoutError", 64),
    LockBackendError("renew", None, "WriteConcernError", 50),
    LockBackendError("renew", None, "WaitQueueTimeoutError"),
    LockBackendError("renew", None, "ServerSelectionTimeoutError"),
    LockBackendError("renew", None, "AutoReconnect"),
    OSError("no route to 10.0.0.1"),
]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    yield server
    await server.keeper.aclose()


async def test_a_batch_has_at_most_1000_names_and_none_twice(server: Server) -> None:
    server.keep(*(Kept(f"s.{number}") for number in range(BATCH + 1)), Kept("again", name="s.0"))
    await asyncio.sleep(1.5)
    first, second = server.batches
    assert len(first) == BATCH == 1000
    assert second == {f"s.{BATCH}", "again"}


async def test_eight_batches_are_under_way_at_a_time(server: Server) -> None:
    leases = [Kept(f"s.{number}", name="one") for number in range(20)]
    server.takes = {lease.id: 0.125 for lease in leases}
    server.keep(*leases)
    await asyncio.sleep(1.5)
    assert server.most == IN_FLIGHT == 8
    assert server.times == [1.0] * 8 + [1.125] * 8 + [1.25] * 4
    # What had to wait counts from when it was sent, and has its whole time from then on.
    assert [lease.confirmed for lease in leases] == [[sent] for sent in server.times]
    assert set(server.limits) == {LIMIT}


async def test_a_lease_whose_renewal_has_to_wait_is_not_renewed_another_time_meanwhile(
    server: Server,
) -> None:
    leases = [Kept(f"s.{number}", name="one") for number in range(40)]
    server.takes = {lease.id: 0.375 for lease in leases}
    server.keep(*leases)
    for _ in range(8):
        await asyncio.sleep(1)
        # The loop, we, and for each lease its round, of which eight have a renewal under way.
        assert len(asyncio.all_tasks()) <= 2 + len(leases) + IN_FLIGHT
    for lease in leases:
        assert max(later - sooner for sooner, later in itertools.pairwise(lease.confirmed)) < TTL


async def test_what_blocks_one_lease_blocks_no_other(server: Server) -> None:
    server.takes = {"s.7": 60}
    leases = [Kept(f"s.{number}") for number in range(100)]
    server.keep(*leases)
    await asyncio.sleep(2.625)
    blocked = leases.pop(7)
    # All at once, then in parts, and then those of its part one by one.
    assert list(map(len, server.batches)) == [100, PART, PART, PART, 4, *[1] * PART]
    assert (blocked.over, blocked.confirmed) == (False, [])
    assert {lease.confirmed[0] for lease in leases} == {1.75, 2.5}


async def test_after_a_failure_the_leases_come_together_again(server: Server) -> None:
    server.fails, server.error = 1, BROKEN
    server.keep(*(Kept(f"s.{number}") for number in range(5)))
    await asyncio.sleep(2.5)
    assert list(map(len, server.batches)) == [5, 1, 1, 1, 1, 1, 5]
    assert server.times == [1.0, *[1.25] * 5, 2.25]


@pytest.mark.parametrize("error", [BROKEN, LOCKED, SILENT], ids=str)
async def test_a_batch_that_one_document_may_have_failed_goes_on_in_parts(
    server: Server, error: Exception
) -> None:
    server.fails, server.error = 1, error
    server.keep(*(Kept(f"s.{number}") for number in range(100)))
    await asyncio.sleep(1.5)
    assert list(map(len, server.batches)) == [100, PART, PART, PART, 4]


@pytest.mark.parametrize("error", GENERAL, ids=str)
async def test_a_batch_that_failed_for_all_stays_whole(server: Server, error: Exception) -> None:
    server.fails, server.error = 1000, error
    server.keep(*(Kept(f"s.{number}") for number in range(100)))
    await asyncio.sleep(TTL)
    assert list(map(len, server.batches)) == [100] * 4


async def test_parts_that_fail_for_all_are_made_no_smaller(server: Server) -> None:
    server.fails, server.error = 1, BROKEN
    server.keep(*(Kept(f"s.{number}") for number in range(100)))
    await asyncio.sleep(1.1)
    server.fails, server.error = 1000, GENERAL[0]
    await asyncio.sleep(1)
    assert list(map(len, server.batches)) == [100, *[PART, PART, PART, 4] * 2]


async def test_a_lease_that_is_new_has_its_tries_beside_one_that_has_failed_for_long(server: Server) -> None:
    server.fails = 1000
    server.keep(Kept("old", kind="place"))
    await asyncio.sleep(10.1)
    server.keep(Kept("new", kind="place"))
    server.times.clear()
    await asyncio.sleep(TTL)
    assert len([1 for ids in server.batches[-len(server.times) :] if "new" in ids]) >= 3


async def test_a_lease_added_while_another_hangs_is_renewed_in_time(server: Server) -> None:
    server.takes = {"old": 60}
    server.keep(old := Kept("old"))
    await asyncio.sleep(1.25)
    server.keep(new := Kept("new"))
    await asyncio.sleep(2.5)
    assert (old.confirmed, new.confirmed) == ([], [2.25, 3.25])


async def test_leases_that_are_due_apart_come_together(server: Server) -> None:
    for number in range(4):
        server.keep(Kept(f"s.{number}"))
        await asyncio.sleep(0.125)
    await asyncio.sleep(2)
    assert server.times == [1.0, 2.0]
    assert list(map(len, server.batches)) == [4, 4]


async def test_a_short_lease_does_not_make_the_long_ones_hurry(server: Server) -> None:
    leases = [Kept(f"s.{number}", ttl=60) for number in range(10)]
    server.keep(*leases, short := Kept("short"))
    await asyncio.sleep(20.5)
    assert short.confirmed == list(range(1, 21))
    assert [lease.confirmed for lease in leases] == [[20.0]] * 10
    assert sorted(server.limits) == pytest.approx([LIMIT] * 20 + [9])


async def test_a_shorter_lease_has_its_own_pace_at_once(server: Server) -> None:
    server.keep(Kept("long", ttl=3600))
    await asyncio.sleep(0.5)
    server.keep(Kept("short"))
    await asyncio.sleep(1.25)
    assert (server.batches, server.times) == ([{"short"}], [1.5])


async def test_a_batch_has_the_time_of_its_shortest(server: Server) -> None:
    server.keep(Kept("long", ttl=3.75), Kept("short", ttl=2.25))
    await asyncio.sleep(1)
    assert (server.batches, server.times) == ([{"long", "short"}], [0.75])
    assert server.limits == pytest.approx([0.9 * 2.25 / 6])


async def test_ever_shorter_leases_do_not_put_the_round_off(server: Server) -> None:
    server.keep(first := Kept("first", ttl=60))
    for number in range(50):
        await asyncio.sleep(0.5)
        server.keep(Kept(f"s.{number}", ttl=59 - number / 10))
    assert first.confirmed == [20.0]


async def test_a_resting_lease_is_looked_at_again_after_a_twelfth_of_its_ttl(server: Server) -> None:
    resting, other = Kept("a", resting=True, alone=True), Kept("b")
    server.keep(resting, other)
    await asyncio.sleep(3.1)
    assert server.batches == [{"b"}] * 3
    resting.resting = False
    await asyncio.sleep(0.25)
    assert resting.confirmed == [3.25]


async def test_a_lease_that_may_have_to_wait_waits_alone(server: Server) -> None:
    server.keep(Kept("a", alone=True), Kept("b"), Kept("c"))
    await asyncio.sleep(1.5)
    assert sorted(map(sorted, server.batches)) == [["a"], ["b", "c"]]


async def test_first_renewals_are_batched_with_each_other_only(server: Server) -> None:
    leases = [Kept(f"s.{number}", ttl=10) for number in range(3)]
    server.keep(*leases)
    await asyncio.sleep(10 / 3 - 0.3)
    server.keep(Kept("first", ttl=10, kind="first"))
    await asyncio.sleep(0.1)
    server.keep(Kept("second", ttl=10, kind="first"))
    await asyncio.sleep(0.15)
    assert (server.batches, server.kinds) == ([{"first", "second"}], ["first"])
    assert {lease.kind for lease in leases} == {"lease"}


async def test_what_is_due_at_a_time_goes_in_a_batch_for_each_kind(server: Server) -> None:
    server.keep(Kept("a"), Kept("b"), Kept("c", kind="place"), Kept("d", kind="place"))
    await asyncio.sleep(0.8)
    server.keep(Kept("e", kind="first"))
    await asyncio.sleep(0.3)
    batches = dict(zip(server.kinds, server.batches, strict=True))
    assert batches == {"lease": {"a", "b"}, "place": {"c", "d"}, "first": {"e"}}
    assert server.times == pytest.approx([1.0] * 3)


async def test_a_lease_and_a_place_of_one_name_are_renewed_each(server: Server) -> None:
    server.keep(held := Kept("s.1", name="cron"), waits := Kept("s.2", name="cron", kind="place"))
    await asyncio.sleep(1.5)
    assert held.confirmed == waits.confirmed == [1.0]
