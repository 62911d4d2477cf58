"""Kinds of locks, upgrades, other capacities, and names that stay taken, by every backend."""

from __future__ import annotations

from typing import Any

import pytest
from contract.shared import (
    TTL,
    Later,
    granted,
    held,
    holders,
    lives,
    queue,
    request,
    seen,
    token,
    waits,
)

from mongolock_async._engine.backend import Backend
from mongolock_async._protocol.kind import READER, UPGRADABLE, WRITER
from mongolock_async._protocol.request import Request

pytestmark = pytest.mark.asyncio(loop_scope="module")

UPGRADE = "m.1+1"


def way(weight: int, owner: str = "me", **options: Any) -> Request:
    """A claim of a reader-writer lock."""
    return request(owner, kind="rwlock", weight=weight, capacity=WRITER, **options)


async def upgradable(backend: Backend, lease: str = "m.1") -> int:
    return token(await backend.claim(way(UPGRADABLE), lease)) or 0


async def upgrade(backend: Backend, lease: str = UPGRADE, first: float | None = 10) -> int | None:
    return token(await backend.claim(way(UPGRADABLE).upgrade(), lease, first=first))


async def weights(backend: Backend) -> list[int]:
    return [person["weight"] for person in (await seen(backend))["holders"]]


@pytest.mark.parametrize("first", [None, 10])
async def test_a_claim_of_another_kind_changes_nothing_and_is_told_which_it_is(
    backend: Backend, first: float | None
) -> None:
    mine = await held(backend)
    for asked in (way(READER), request(capacity=3), request(capacity=1, kind="semaphore")):
        reply = await backend.claim(asked, "n.1", first=first)
        assert (reply.grant, reply.place, reply.kind, reply.capacity) == (None, None, "mutex", 1)
        assert reply.used
    view = await seen(backend)
    assert (view["kind"], view["token"], view["queue"]) == ("mutex", mine, [])


@pytest.mark.parametrize("first", [None, 10])
async def test_a_mutex_is_not_claimed_of_a_lock_that_readers_hold(
    backend: Backend, later: Later, first: float | None
) -> None:
    await backend.claim(way(READER, ttl=5), "n.1")
    await backend.claim(way(WRITER, "writer"), "n.2", first=10)
    reply = await backend.claim(request(), "m.1", first=first)
    assert (reply.grant, reply.kind) == (None, "rwlock")
    await later(5)
    reply = await backend.claim(request(), "m.2", first=first)
    assert (reply.grant, granted(reply)) == (None, [])  # a mutex's command grants nothing that weighs more
    assert token(await backend.ask("cron", "n.2"))


async def test_a_claim_without_a_capacity_takes_the_stored_one(backend: Backend) -> None:
    stored = request(capacity=None, kind="semaphore", weight=2)
    reply = await backend.claim(stored, "m.1")
    assert (reply.grant, reply.kind, reply.used) == (None, None, False)
    await backend.resize("cron", 3)
    assert token(await backend.claim(stored, "m.2"))
    assert token(await backend.claim(request(capacity=3, weight=1), "m.3"))
    reply = await backend.claim(stored, "m.4", first=10)
    assert (reply.grant, reply.place, reply.capacity) == (None, 0, 3)


async def test_a_resize_tells_whom_it_serves_and_who_asks_for_too_much(backend: Backend) -> None:
    await held(backend, capacity=2, weight=2)
    await waits(backend, "n.1", capacity=2)
    reply = await backend.resize("cron", 3)
    assert (reply.kind, reply.capacity, granted(reply)) == ("semaphore", 3, ["n.1"])
    await waits(backend, "o.1", capacity=3, weight=3)
    reply = await backend.resize("cron", 2)
    assert (reply.capacity, granted(reply)) == (2, ["o.1"])
    look = await backend.look("cron", "o.1")
    assert look is not None
    assert (look.place, look.capacity, look.fits) == (0, 2, False)
    assert await holders(backend) == ["me", "n.1"]


async def test_a_lock_of_another_kind_keeps_its_capacity(backend: Backend) -> None:
    await held(backend)
    reply = await backend.resize("cron", 3)
    assert (reply.kind, reply.capacity) == ("mutex", 1)


async def test_readers_who_waited_for_a_writer_are_granted_by_one_command(backend: Backend) -> None:
    await backend.claim(way(WRITER), "m.1")
    for number in range(10):
        await backend.claim(way(READER), f"n.{number}", first=10)
    _, reply = await backend.release("cron", "m.1")
    assert granted(reply) == [f"n.{number}" for number in range(10)]


async def test_an_upgrade_weighs_all_and_keeps_token_and_life(backend: Backend) -> None:
    mine = await upgradable(backend)
    (before,) = (await seen(backend))["holders"]
    assert await upgrade(backend) == mine
    (after,) = (await seen(backend))["holders"]
    assert (lives([after]), after["token"]) == ([("me", WRITER, TTL)], before["token"])
    assert await upgrade(backend) == mine  # as often as it is sent
    assert await weights(backend) == [WRITER]


async def test_an_upgrade_waits_at_the_front_and_is_granted_by_whoever_releases(backend: Backend) -> None:
    mine = await upgradable(backend)
    await backend.claim(way(READER), "n.1")
    await backend.claim(way(WRITER, "writer"), "o.1", first=10)
    reply = await backend.claim(way(UPGRADABLE).upgrade(), UPGRADE, first=10)
    assert (reply.grant, reply.place) == (None, 0)
    assert await queue(backend) == ["me", "writer"]
    _, told = await backend.release("cron", "n.1")
    assert granted(told) == [UPGRADE]
    assert token(await backend.look("cron", UPGRADE)) == mine
    assert await weights(backend) == [WRITER]
    assert await backend.renew({"cron": ("m.1", mine)}, 5) == {"m.1"}


async def test_an_upgrade_that_does_not_wait_leaves_nothing(backend: Backend) -> None:
    await upgradable(backend)
    await backend.claim(way(READER), "n.1")
    assert await upgrade(backend, first=None) is None
    assert await queue(backend) == []
    assert token(await backend.claim(way(READER), "n.2"))


async def test_what_is_withdrawn_of_an_upgrade_lets_readers_in_at_once(backend: Backend) -> None:
    mine = await upgradable(backend)
    await upgrade(backend)
    for number in range(3):
        await backend.claim(way(READER), f"n.{number}", first=10)
    reply = await backend.withdraw("cron", UPGRADE)
    assert (token(reply), granted(reply)) == (mine, ["n.0", "n.1", "n.2"])
    assert await weights(backend) == [UPGRADABLE, READER, READER, READER]


async def test_a_late_withdrawal_of_an_upgrade_leaves_a_later_one(backend: Backend) -> None:
    await upgradable(backend)
    await upgrade(backend)
    await backend.withdraw("cron", UPGRADE)
    await upgrade(backend, "m.1+2")
    await backend.withdraw("cron", UPGRADE)
    assert await weights(backend) == [WRITER]


@pytest.mark.parametrize("end", ["release", "expiry", "force"])
async def test_an_upgrade_goes_with_its_lease(backend: Backend, later: Later, end: str) -> None:
    await backend.claim(way(UPGRADABLE, ttl=5), "m.1")
    await backend.claim(way(READER), "n.1")
    await upgrade(backend)
    if end == "release":
        await backend.release("cron", "m.1")
    elif end == "force":
        await backend.force("cron")
    else:
        await later(5)
        await backend.ask("cron", "none")
    assert await queue(backend) == []
    assert await upgrade(backend, "m.1+2") is None
    assert await queue(backend) == []


@pytest.mark.parametrize("weight", [READER, WRITER])
async def test_only_an_upgradable_reader_is_upgraded(backend: Backend, weight: int) -> None:
    await backend.claim(way(weight), "m.1")
    assert await upgrade(backend) is None
    assert (await weights(backend), await queue(backend)) == ([weight], [])


@pytest.mark.parametrize("mutex", [True, False])
async def test_what_is_left_of_a_released_lease_stays_until_its_time(
    backend: Backend, later: Later, *, mutex: bool
) -> None:
    reply = await backend.claim(request(at_least=20), "m.1")
    await waits(backend, "n.1", ttl=60)
    released, reply2 = await backend.release("cron", "m.1", mutex=mutex, keeps=True)
    assert (released, granted(reply2)) == (True, [])
    (left,) = (await seen(backend))["holders"]
    assert (lives([left]), left["token"]) == ([("me", 1, 20)], token(reply))
    assert await backend.renew({"cron": ("m.1", token(reply) or 0)}, 5) == set()
    again, _ = await backend.release("cron", "m.1", mutex=mutex, keeps=True)
    assert again is True  # as often as it is sent
    look = await backend.look("cron", "n.1")
    assert look is not None
    assert 10 < (look.next_expiry or 0) <= 20
    await later(9)
    await backend.refresh({"cron": "n.1"}, 5)
    await later(9)
    assert token(await backend.ask("cron", "n.1", mutex=mutex)) is None
    await later(2)
    assert token(await backend.ask("cron", "n.1", mutex=mutex))


async def test_a_lease_that_expired_is_over_though_its_name_stays_taken(
    backend: Backend, later: Later
) -> None:
    reply = await backend.claim(request(ttl=5, at_least=20), "m.1")
    await later(6)
    assert token(await backend.look("cron", "m.1")) is None
    assert token(await backend.ask("cron", "m.1")) is None
    assert await backend.renew({"cron": ("m.1", token(reply) or 0)}, 5) == set()
    assert (await backend.claim(request(), "n.1")).next_expiry == pytest.approx(14, abs=5)
    released, _ = await backend.release("cron", "m.1", keeps=True)
    assert released is False
    assert await holders(backend) == ["me"]
    await later(14)
    assert token(await backend.claim(request(), "n.2"))


async def test_a_withdrawal_keeps_no_name_unless_it_is_to(backend: Backend) -> None:
    for keeps in (False, True):
        assert token(await backend.claim(request(at_least=20), f"m.{keeps}"))
        await backend.withdraw("cron", f"m.{keeps}", keeps=keeps)
        assert await holders(backend) == ["me"] * keeps


# What may be had beside what is left of each.
BESIDE = {READER: {READER, UPGRADABLE}, WRITER: set[int](), UPGRADABLE: {READER}}


@pytest.mark.parametrize("weight", BESIDE)
@pytest.mark.parametrize("end", ["release", "expiry"])
async def test_what_stays_taken_of_a_reader_writer_lock_is_what_was_held(
    backend: Backend, later: Later, weight: int, end: str
) -> None:
    await backend.claim(way(weight, ttl=5, at_least=20), "m.1")
    if end == "release":
        await backend.release("cron", "m.1", keeps=True)
    else:
        await later(6)
    had = set()
    for other in BESIDE:
        if token(await backend.claim(way(other, "other"), f"n.{other}")):
            had.add(other)
            await backend.release("cron", f"n.{other}")
    assert had == BESIDE[weight]
    await later(21)
    assert token(await backend.claim(way(WRITER), "o.1"))


@pytest.mark.parametrize("downgraded", [False, True])
async def test_of_an_upgraded_reader_all_stays_taken_unless_it_was_downgraded(
    backend: Backend, later: Later, *, downgraded: bool
) -> None:
    await backend.claim(way(UPGRADABLE, at_least=20), "m.1")
    assert await upgrade(backend)
    if downgraded:
        await backend.withdraw("cron", UPGRADE)
    await backend.release("cron", "m.1", keeps=True)
    assert await weights(backend) == [UPGRADABLE if downgraded else WRITER]
    assert await upgrade(backend, "m.1+2") is None  # nothing is left to be upgraded
    assert bool(token(await backend.claim(way(READER, "other"), "n.1"))) is downgraded
    await backend.release("cron", "n.1")
    await later(21)
    assert token(await backend.claim(way(WRITER), "o.1"))


async def test_an_upgrade_waits_for_readers_that_stay_taken(backend: Backend, later: Later) -> None:
    mine = await upgradable(backend)
    await backend.claim(way(READER, "reader", at_least=20), "n.1")
    await backend.release("cron", "n.1", keeps=True)
    assert await upgrade(backend) is None
    await later(9)
    await backend.refresh({"cron": UPGRADE}, 5)
    await backend.renew({"cron": ("m.1", mine)}, 5)
    await later(9)
    await backend.refresh({"cron": UPGRADE}, 5)
    await later(3)
    assert token(await backend.ask("cron", UPGRADE)) == mine
