"""The renewal loop: when a lease is renewed, and what the answer says of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from renewals import LIMIT, TTL, Kept, Server, deadline
from waiters import now

from mongolock_async._engine.keepalive import FIRST_RENEWAL

MILLION = 1_000_000


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    yield server
    await server.keeper.aclose()


@pytest.fixture
async def lease(server: Server) -> Kept:
    """One that is kept from the beginning."""
    lease = Kept("a")
    server.keep(lease)
    return lease


async def test_a_lease_is_renewed_every_third_of_its_ttl(server: Server, lease: Kept) -> None:
    await asyncio.sleep(100.5)
    assert server.times == lease.confirmed == list(range(1, 101))
    assert server.keeper.renewals == 100


async def test_a_renewal_counts_from_before_it_was_sent(server: Server, lease: Kept) -> None:
    server.takes = {"a": 0.375}
    await asyncio.sleep(2.5)
    assert lease.confirmed == [1.0, 2.0]
    assert server.keeper.latency.median_and_p99() == (0.375, 0.375)


async def test_a_lease_that_does_not_stand_any_more_is_gone(server: Server, lease: Kept) -> None:
    other = Kept("b")
    server.keep(other)
    server.gone = {"a"}
    await asyncio.sleep(1.5)
    assert (lease.over, lease.confirmed) == (True, [])
    assert (other.over, other.confirmed) == (False, [1.0])
    assert server.keeper.renewals == 1


async def test_an_error_is_no_loss_and_is_tried_again_after_a_twelfth_of_the_ttl(
    server: Server, lease: Kept
) -> None:
    server.fails = 1
    await asyncio.sleep(2.5)
    assert server.times == [1.0, 1.25, 2.25]
    assert (lease.over, lease.confirmed) == (False, [1.25, 2.25])


async def test_what_fails_again_and_again_is_tried_more_rarely_and_four_times_in_its_life(
    server: Server, lease: Kept
) -> None:
    server.fails = 1000
    await asyncio.sleep(TTL)
    assert server.times == [1.0, 1.25, 1.75, 2.5]
    await asyncio.sleep(TTL)  # as a place, which has no deadline here
    assert server.times[4:] == [3.5, 4.5, 5.5]
    assert not lease.over


async def test_after_a_success_a_failure_is_tried_again_soon(server: Server, lease: Kept) -> None:
    server.fails = 3
    await asyncio.sleep(2.6)
    server.fails = 1
    await asyncio.sleep(1.5)
    assert server.times == [1.0, 1.25, 1.75, 2.5, 3.5, 3.75]
    assert lease.confirmed == [2.5, 3.75]


async def test_an_answer_is_waited_for_a_sixth_of_the_ttl(server: Server, lease: Kept) -> None:
    server.takes = {"a": 60}
    await asyncio.sleep(1.5)
    server.takes = {}
    await asyncio.sleep(0.5)
    assert server.times == [1.0, 1.75]
    assert server.limits == pytest.approx([LIMIT] * 2)
    assert lease.confirmed == [1.75]


async def test_a_renewal_that_is_late_is_not_cancelled(server: Server, lease: Kept) -> None:
    server.takes = {"a": 60}
    await asyncio.sleep(3)
    await server.keeper.aclose()
    assert server.times == [1.0, 1.75, 2.5]
    assert server.answered == 3
    assert now() == 62.5
    assert lease.confirmed == []


async def test_a_renewal_that_is_late_tells_nothing(server: Server, lease: Kept) -> None:
    server.takes = {"a": 0.75}
    server.gone = {"a"}
    await asyncio.sleep(10)
    assert server.answered > 5
    assert (lease.over, lease.confirmed) == (False, [])
    assert server.keeper.latency.median_and_p99() is None


async def test_a_discarded_lease_is_never_renewed_again(server: Server, lease: Kept) -> None:
    server.keep(Kept("b"))
    await asyncio.sleep(1.5)
    server.keeper.discard(lease)
    await asyncio.sleep(8)
    assert server.batches == [{"a", "b"}, *[{"b"}] * 8]


async def test_discarding_a_place_leaves_the_lease_that_it_has_become(server: Server, lease: Kept) -> None:
    place = Kept("b", kind="place")
    server.keep(place, became := Kept("b"))
    server.keeper.discard(place)
    await asyncio.sleep(1.5)
    assert (place.confirmed, became.confirmed) == ([], lease.confirmed)


@pytest.mark.parametrize("gone", [set(), {"a"}])
async def test_a_lease_discarded_during_its_renewal_is_to_be_given_back_if_it_stands(
    server: Server, lease: Kept, gone: set[str]
) -> None:
    server.takes = {"a": 0.25}
    server.gone = gone
    await asyncio.sleep(1.125)
    server.keeper.discard(lease)
    await asyncio.sleep(0.25)
    assert (lease.over, lease.confirmed) == (False, [])
    assert server.revived == ([] if gone else [lease])


async def test_a_lease_does_not_wait_for_the_renewal_of_the_place_before_it(
    server: Server, lease: Kept
) -> None:
    server.takes = {"a": 60}
    await asyncio.sleep(1.25)
    server.keeper.discard(lease)
    server.takes = {}
    server.keep(became := Kept("a"))
    await asyncio.sleep(1.1)
    assert became.confirmed == [2.25]


async def test_settling_waits_for_the_renewal_under_way(server: Server, lease: Kept) -> None:
    server.takes = {"a": 0.25}
    await server.keeper.settle(lease)
    assert now() == 0  # there was none
    await asyncio.sleep(1.125)
    await server.keeper.settle(lease)
    assert now() == 1.25
    assert lease.confirmed == [1.0]


async def test_the_loop_ends_with_its_last_lease_and_starts_again_with_the_next(
    server: Server, lease: Kept
) -> None:
    await asyncio.sleep(1.5)
    server.keeper.discard(lease)
    await asyncio.sleep(1)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    server.keep(second := Kept("b"))
    await asyncio.sleep(1.5)
    assert (lease.confirmed, second.confirmed) == ([1.0], [3.5])


async def test_a_callers_deadline_does_not_govern_the_renewals(server: Server) -> None:
    deadline.set(1.5)
    server.keep(Kept("a"))
    await asyncio.sleep(2.5)
    assert server.times == [1.0, 2.0]
    assert server.deadlines == {None}


async def test_time_that_was_slept_through_is_made_up_for_by_one_renewal(server: Server, lease: Kept) -> None:
    server.clock.advance(MILLION)
    await asyncio.sleep(0.5)
    assert lease.confirmed == [MILLION]
    await asyncio.sleep(1)
    assert lease.confirmed == [MILLION, MILLION + 1]


async def test_closing_a_loop_that_never_ran_is_harmless(server: Server) -> None:
    await server.keeper.aclose()


async def test_a_first_renewal_comes_after_a_fifth_of_a_second_and_then_as_for_any_lease(
    server: Server,
) -> None:
    server.keep(lease := Kept("a", ttl=30, kind="first"))
    await asyncio.sleep(24)
    first, *rest = lease.confirmed
    assert first == FIRST_RENEWAL == 0.2
    # A third of its first life, and of its ttl from then on.
    assert rest == pytest.approx([0.2 + 10 / 3, 0.2 + 10 / 3 + 10, 0.2 + 10 / 3 + 20])
    assert server.kinds == ["first", "lease", "lease", "lease"]


async def test_a_first_renewal_that_fails_is_tried_again_soon(server: Server) -> None:
    server.fails = 1
    server.keep(lease := Kept("a", ttl=30, kind="first"))
    await asyncio.sleep(2)
    assert server.times == pytest.approx([0.2, 0.2 + 10 / 12])
    assert server.limits == pytest.approx([0.9 * 10 / 6] * 2)
    assert lease.kind == "lease"


async def test_one_that_is_discarded_before_is_never_renewed(server: Server) -> None:
    server.keep(lease := Kept("a", kind="first"))
    await asyncio.sleep(0.199)
    server.keeper.discard(lease)
    await asyncio.sleep(10)
    assert server.batches == []


async def test_a_place_is_refreshed_as_what_it_is(server: Server) -> None:
    server.keep(Kept("a", kind="place", ttl=9.0))
    await asyncio.sleep(10)
    assert (server.kinds, server.times) == (["place"] * 3, [3.0, 6.0, 9.0])


async def test_the_renewal_of_a_place_says_nothing_of_the_lease_that_it_has_become(server: Server) -> None:
    """Its refresh is under way when it is granted the lock: neither answer is the new lease's."""
    for gone in (set[str](), {"a"}):
        server.gone = gone
        server.takes = {"a": 0.5}
        server.keep(place := Kept("a", kind="place"))
        await asyncio.sleep(1.25)
        server.keeper.discard(place)
        server.takes, server.gone = {}, set()
        server.keep(lease := Kept("a", kind="first"))
        await asyncio.sleep(0.3)
        assert (lease.over, len(lease.confirmed)) == (False, 1)
        server.keeper.discard(lease)
        await asyncio.sleep(1)
