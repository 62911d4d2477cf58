"""The renewal loop, with a clock of its own and no server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from mongolock_async._keepalive import BATCH, PART, KeepAlive

TTL = 0.3  # a period of 0.1 s


@dataclass(eq=False)
class Kept:
    """A lease as the loop sees it."""

    id: str
    name: str = ""
    ttl: float = TTL
    resting: bool = False
    alone: bool = False
    confirmed: list[float] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name = self.name or self.id

    def confirm(self, sent: float, remaining: float) -> None:
        self.confirmed.append(sent + remaining)

    def end(self, reason: str) -> None:
        self.reasons.append(reason)


class Server:
    """Answers renewals as it is told to."""

    def __init__(self) -> None:
        self.batches: list[dict[str, str]] = []
        self.gone: set[str] = set()
        self.fails = 0
        self.hangs: set[str] = set()
        self.came_late = 0
        self.revived: list[object] = []

    async def renew(self, batch: Mapping[str, str], within: float) -> set[str]:
        assert within > 0
        self.batches.append(dict(batch))
        late = bool(self.hangs & set(batch))
        await asyncio.sleep(10 * within if late else 0)
        self.came_late += late
        if self.fails:
            self.fails -= 1
            raise OSError("unknown outcome")
        return set(batch.values()) - self.gone


def keep(server: Server, now: float = 0.0) -> KeepAlive:
    return KeepAlive(server.renew, lambda: now, "lost", server.revived.append)


async def until(rounds: int, server: Server) -> None:
    async with asyncio.timeout(5):
        while len(server.batches) < rounds:
            await asyncio.sleep(0.01)


async def test_a_renewal_counts_from_before_it_was_sent() -> None:
    server, lease = Server(), Kept("a")
    keeper = keep(server, now=1000.0)
    keeper.add(lease)
    await until(2, server)
    await keeper.aclose()
    assert lease.confirmed[0] == 1000.0 + TTL


async def test_a_lease_that_does_not_stand_any_more_is_ended() -> None:
    server, lost, kept = Server(), Kept("a"), Kept("b")
    server.gone = {"a"}
    keeper = keep(server)
    keeper.add(lost)
    keeper.add(kept)
    await until(1, server)
    await keeper.aclose()
    assert (lost.reasons, kept.reasons) == (["lost"], [])


async def test_an_error_is_not_a_loss_and_does_not_end_the_loop() -> None:
    server, lease = Server(), Kept("a")
    server.fails = 2
    keeper = keep(server)
    keeper.add(lease)
    await until(3, server)
    await keeper.aclose()
    assert lease.reasons == []
    assert lease.confirmed


async def test_a_batch_has_at_most_1000_names_and_none_twice() -> None:
    server = Server()
    keeper = keep(server)
    for number in range(BATCH + 1):
        keeper.add(Kept(f"s.{number}"))
    keeper.add(Kept("again", name="s.0"))
    await until(2, server)
    await keeper.aclose()
    first, second = server.batches[:2]
    assert len(first) == BATCH
    assert set(second.values()) == {f"s.{BATCH}", "again"}


async def test_a_discarded_lease_is_never_renewed_again() -> None:
    server, gone, kept = Server(), Kept("a"), Kept("b")
    keeper = keep(server)
    keeper.add(gone)
    keeper.add(kept)
    keeper.discard(gone)
    await until(2, server)
    await keeper.aclose()
    assert all(batch == {"b": "b"} for batch in server.batches)


async def test_a_lease_that_was_discarded_during_its_renewal_is_not_ended() -> None:
    server, lease = Server(), Kept("a")
    server.gone = {"a"}
    keeper = keep(server)

    async def renew(batch: Mapping[str, str], within: float) -> set[str]:
        keeper.discard(lease)
        return await server.renew(batch, within)

    keeper._renew = renew
    keeper.add(lease)
    await until(1, server)
    await keeper.aclose()
    assert lease.reasons == []
    assert server.revived == []


async def test_a_lease_that_was_renewed_after_it_was_discarded_is_given_back() -> None:
    server, lease = Server(), Kept("a")
    keeper = keep(server)

    async def renew(batch: Mapping[str, str], within: float) -> set[str]:
        keeper.discard(lease)
        return await server.renew(batch, within)

    keeper._renew = renew
    keeper.add(lease)
    await until(1, server)
    await asyncio.sleep(0.01)
    await keeper.aclose()
    assert server.revived == [lease]


async def test_what_blocks_one_lease_blocks_no_other() -> None:
    server = Server()
    server.hangs = {"s.7"}
    leases = [Kept(f"s.{number}", ttl=1.2) for number in range(100)]
    keeper = keep(server)
    for lease in leases:
        keeper.add(lease)
    await asyncio.sleep(2)
    await keeper.aclose()
    assert [lease.id for lease in leases if not lease.confirmed] == ["s.7"]
    assert {len(batch) for batch in server.batches} >= {100, PART, 1}


async def test_a_lease_added_while_another_hangs_is_renewed() -> None:
    server, new = Server(), Kept("new")
    server.hangs = {"old"}
    keeper = keep(server)
    keeper.add(Kept("old", ttl=1.2))
    await until(1, server)
    keeper.add(new)
    await asyncio.sleep(2 * TTL)
    await keeper.aclose()
    assert new.confirmed


async def test_a_resting_lease_is_left_out_until_it_rests_no_more() -> None:
    server, resting, other = Server(), Kept("a", resting=True), Kept("b")
    keeper = keep(server)
    keeper.add(resting)
    keeper.add(other)
    await until(2, server)
    assert all(set(batch) == {"b"} for batch in server.batches)
    resting.resting = False
    async with asyncio.timeout(5):
        while not resting.confirmed:
            await asyncio.sleep(0.01)
    await keeper.aclose()


async def test_a_lease_that_may_have_to_wait_waits_alone() -> None:
    server, waiting, other = Server(), Kept("a", alone=True), Kept("b")
    keeper = keep(server)
    keeper.add(waiting)
    keeper.add(other)
    await until(2, server)
    await keeper.aclose()
    assert sorted(map(sorted, server.batches[:2])) == [["a"], ["b"]]


async def test_a_short_lease_does_not_make_the_long_ones_hurry() -> None:
    server, short = Server(), Kept("short", ttl=0.15)
    keeper = keep(server)
    for number in range(10):
        keeper.add(Kept(f"s.{number}", ttl=60))
    keeper.add(short)
    await until(8, server)
    await keeper.aclose()
    assert all(set(batch) == {"short"} for batch in server.batches)


async def test_leases_that_are_due_apart_come_together() -> None:
    server = Server()
    keeper = keep(server)
    for number in range(4):
        keeper.add(Kept(f"s.{number}", ttl=0.6))
        await asyncio.sleep(0.02)
    await until(4, server)
    await keeper.aclose()
    assert [len(batch) for batch in server.batches[2:4]] == [4, 4]


async def test_settling_waits_for_the_renewal_under_way() -> None:
    server, lease = Server(), Kept("a")
    keeper = keep(server)
    await keeper.settle(lease)
    keeper.add(lease)
    await until(1, server)
    await keeper.settle(lease)
    await keeper.aclose()
    assert lease.confirmed


async def test_ever_shorter_leases_do_not_put_the_round_off() -> None:
    server, first = Server(), Kept("first", ttl=0.6)
    keeper = keep(server)
    keeper.add(first)
    for number in range(6):
        await asyncio.sleep(0.05)
        keeper.add(Kept(f"s.{number}", ttl=0.59 - number / 100))
    await keeper.aclose()
    assert first.confirmed


async def test_a_shorter_lease_has_its_own_pace_at_once() -> None:
    server = Server()
    keeper = keep(server)
    keeper.add(Kept("long", ttl=3600))
    await asyncio.sleep(0)
    keeper.add(Kept("short"))
    await until(1, server)
    await keeper.aclose()
    assert set(server.batches[0]) == {"short"}


async def test_the_loop_ends_with_its_last_lease_and_starts_again_with_the_next() -> None:
    server, first, second = Server(), Kept("a"), Kept("b")
    keeper = keep(server)
    keeper.add(first)
    await until(1, server)
    keeper.discard(first)
    async with asyncio.timeout(5):
        while keeper._task is not None and not keeper._task.done():
            await asyncio.sleep(0.01)
    keeper.add(second)
    await until(2, server)
    await keeper.aclose()
    assert server.batches[-1] == {"b": "b"}


async def test_closing_a_loop_that_never_ran_is_harmless() -> None:
    await keep(Server()).aclose()


async def test_a_renewal_that_is_late_is_not_cancelled() -> None:
    server = Server()
    server.hangs = {"a"}
    keeper = keep(server)
    keeper.add(Kept("a"))
    await until(2, server)
    await keeper.aclose()
    assert server.came_late == len(server.batches)


async def test_a_lease_does_not_wait_for_the_renewal_of_the_place_before_it() -> None:
    server = Server()
    server.hangs = {"a"}
    keeper = keep(server)
    place, lease = Kept("a", ttl=1.2), Kept("a", ttl=0.12)
    keeper.add(place)
    await until(1, server)
    keeper.discard(place)
    server.hangs = set()
    keeper.add(lease)
    await asyncio.sleep(0.1)
    assert lease.confirmed
    await keeper.aclose()
