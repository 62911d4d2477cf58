"""What a claim gets, by every backend."""

from __future__ import annotations

import asyncio

import pytest
from contract.shared import TTL, Later, granted, held, holders, lives, queue, request, seen, token, waits

from mongolock_async._engine.backend import Backend
from mongolock_async._protocol.reply import Grant
from mongolock_async._settings import Owner

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWNERS: list[Owner] = ["$token", "$$NOW", 'say "hi"', "🔒 ключ", "a\nb", "", -(2**63), 2**63 - 1]


async def test_a_free_lock_is_granted_for_the_whole_ttl(backend: Backend) -> None:
    reply = await backend.claim(request("me", ttl=12.345), "m.1")
    assert reply.grant is not None
    fencing_token = reply.grant.fencing_token
    assert reply.grant == Grant(fencing_token, 12.345)
    assert (reply.place, granted(reply)) == (None, [])
    (holder,) = (await seen(backend))["holders"]
    assert lives([holder]) == [("me", 1, 12.345)]
    assert holder["token"] == fencing_token


async def test_a_held_lock_is_not_granted_and_it_is_told_who_has_it(backend: Backend) -> None:
    await held(backend, owner="first")
    reply = await backend.claim(request("second"), "n.1")
    assert (reply.grant, reply.place, reply.capacity) == (None, None, 1)
    assert lives(reply.holders) == [("first", 1, TTL)]
    assert 0 < (reply.next_expiry or 0) <= TTL
    assert await queue(backend) == []


async def test_two_names_are_two_locks(backend: Backend) -> None:
    assert await held(backend, "m.1", name="a")
    assert await held(backend, "m.2", name="b")


async def test_those_who_wait_stand_in_the_order_of_their_claims(backend: Backend) -> None:
    await held(backend)
    for place, lease in enumerate(["n.1", "o.1", "p.1"]):
        reply = await backend.claim(request(lease), lease, first=10)
        assert (reply.grant, reply.place, reply.alone) == (None, place, place == 0)
    assert await queue(backend) == ["n.1", "o.1", "p.1"]


async def test_a_claim_that_waits_is_granted_a_free_lock_at_once_and_for_the_whole_ttl(
    backend: Backend,
) -> None:
    reply = await backend.claim(request(), "m.1", first=10)
    assert reply.grant == Grant(token(reply) or 0, TTL)
    assert await queue(backend) == []


async def test_a_repeated_claim_is_granted_the_same_once(backend: Backend) -> None:
    first = await held(backend, "m.1")
    assert await held(backend, "m.1") == first
    assert await holders(backend) == ["me"]


async def test_a_repeated_claim_keeps_its_place(backend: Backend) -> None:
    await held(backend)
    await waits(backend, "n.1", "o.1")
    reply = await backend.claim(request("n.1"), "n.1", first=10)
    assert reply.place == 0
    assert await queue(backend) == ["n.1", "o.1"]


async def test_a_lock_is_its_holders_to_the_last_millisecond_and_then_anybodys(
    backend: Backend, later: Later
) -> None:
    first = await held(backend, owner="first")
    await later(TTL - 5)
    assert token(await backend.claim(request(), "n.1")) is None
    await later(5)
    reply = await backend.claim(request("second"), "n.2")
    assert (token(reply) or 0) > first
    assert lives((await seen(backend))["holders"]) == [("second", 1, TTL)]


async def test_one_that_waits_gets_the_expired_lock_before_one_that_comes(
    backend: Backend, later: Later
) -> None:
    await held(backend, ttl=5)
    await waits(backend, "n.1")
    await later(5)
    reply = await backend.claim(request(), "o.1")
    assert (reply.grant, granted(reply)) == (None, ["n.1"])
    assert lives(reply.holders) == [("n.1", 1, TTL)]
    assert token(await backend.look("cron", "n.1")) == (await seen(backend))["token"]


async def test_a_claim_that_fits_behind_whom_it_serves_tells_both(backend: Backend, later: Later) -> None:
    await held(backend, weight=3, capacity=3, ttl=5)
    await waits(backend, "n.1", "o.1", capacity=3)
    await later(5)
    reply = await backend.claim(request(capacity=3), "p.1")
    assert token(reply)
    assert granted(reply) == ["n.1", "o.1"]


async def test_a_place_expires_after_10_seconds(backend: Backend, later: Later) -> None:
    await held(backend)
    await waits(backend, "dead")
    await later(9)
    await waits(backend, "n.1")
    assert await queue(backend) == ["dead", "n.1"]
    await later(1)
    assert (await backend.claim(request(), "o.1", first=10)).place == 1
    assert await queue(backend) == ["n.1", "me"]


async def test_as_many_hold_it_as_the_capacity_has_room_for(backend: Backend) -> None:
    tokens = [await held(backend, f"m.{n}", owner=n, weight=n, capacity=3) for n in (1, 2)]
    reply = await backend.claim(request(capacity=3), "m.3")
    assert (reply.grant, reply.capacity) == (None, 3)
    assert lives(reply.holders) == [(1, 1, TTL), (2, 2, TTL)]
    assert (await seen(backend))["token"] == tokens[1] > tokens[0]


async def test_one_that_would_fit_does_not_overtake_one_that_waits(backend: Backend) -> None:
    await held(backend, weight=2, capacity=3)
    await waits(backend, "n.1", weight=2, capacity=3)
    assert token(await backend.claim(request(capacity=3), "o.1")) is None
    assert await queue(backend) == ["n.1"]


@pytest.mark.parametrize("first", [None, 10])
async def test_a_claim_with_another_capacity_changes_nothing(backend: Backend, first: float | None) -> None:
    mine = await held(backend, capacity=3)
    reply = await backend.claim(request(capacity=2), "n.1", first=first)
    assert (reply.grant, reply.place, reply.capacity) == (None, None, 3)
    view = await seen(backend)
    assert (view["token"], view["capacity"], view["queue"]) == (mine, 3, [])


async def test_a_lock_that_nobody_uses_takes_another_capacity(backend: Backend) -> None:
    await held(backend, capacity=3)
    await backend.release("cron", "m.1")
    assert token(await backend.claim(request(capacity=2), "n.1"))
    assert (await seen(backend))["capacity"] == 2


async def test_tokens_grow_from_grant_to_grant(backend: Backend, later: Later) -> None:
    tokens = []
    for number in range(6):
        tokens.append(await held(backend, f"m.{number}"))
        if number % 2:
            await backend.release("cron", f"m.{number}")
        else:
            await later(TTL)
    assert tokens == sorted(set(tokens))


async def test_an_owner_comes_back_as_it_went_in(backend: Backend) -> None:
    for number, owner in enumerate(OWNERS):
        assert token(await backend.claim(request(owner, capacity=len(OWNERS)), f"m.{number}"))
    assert await holders(backend) == OWNERS


async def test_claims_at_a_time_are_granted_one_lease_for_each_name(backend: Backend) -> None:
    names = [f"n{number % 4}" for number in range(20)]
    claims = [backend.claim(request(name=name), f"m.{number}") for number, name in enumerate(names)]
    replies = await asyncio.gather(*claims)
    tokens = {name: token(reply) for name, reply in zip(names, replies, strict=True) if reply.grant}
    assert sum(reply.grant is not None for reply in replies) == 4
    assert tokens == {name: (await seen(backend, name))["token"] for name in names}
