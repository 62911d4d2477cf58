"""How a boundary is claimed, by every backend."""

from __future__ import annotations

import pytest
from contract.shared import TTL, Later, held, holders, lives, request, seen, token

from mongolock_async._engine.backend import Backend
from mongolock_async._engine.ticks import NEVER_MS
from mongolock_async._protocol.reply import Reply, Tick

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY = 86_400
DAY_MS = DAY * 1000


async def claim(backend: Backend, lease: str, after_ms: int = 0, ttl: float = TTL) -> Reply:
    """Claim the boundary of this day."""
    return await backend.claim(request(lease, ttl=ttl).ticking(DAY_MS, after_ms), lease)


async def test_a_boundary_is_granted_to_the_first(backend: Backend) -> None:
    reply = await claim(backend, "m.1")
    assert token(reply)
    assert lives((await seen(backend))["holders"]) == [("m.1", 1, TTL)]
    assert reply.tick == Tick(reply.tick.boundary_ms, served=True, until_next=reply.tick.until_next)
    assert reply.tick.boundary_ms % DAY_MS == 0
    assert 0 < reply.tick.until_next <= DAY


async def test_a_boundary_that_is_served_is_not_granted_again(backend: Backend) -> None:
    boundary = (await claim(backend, "m.1")).tick.boundary_ms
    for lease in ("n.1", "n.2"):
        reply = await claim(backend, lease)
        assert (reply.grant, reply.place, reply.tick.served) == (None, None, True)
        assert reply.tick.boundary_ms == boundary
        await backend.release("cron", "m.1")
    assert reply.holders == []


async def test_the_next_boundary_is_granted_again(backend: Backend, later: Later) -> None:
    first = token(await claim(backend, "m.1")) or 0
    await later(DAY)
    reply = await claim(backend, "n.1")
    assert (token(reply) or 0) > first
    assert reply.tick.served


async def test_a_boundary_that_one_is_done_with_is_not_claimed(backend: Backend) -> None:
    reply = await claim(backend, "m.1", NEVER_MS)
    assert (reply.grant, reply.holders, reply.tick.served) == (None, [], False)
    reply = await claim(backend, "m.2", reply.tick.boundary_ms)
    assert (reply.grant, reply.tick.served) == (None, False)
    assert token(await claim(backend, "n.1", reply.tick.boundary_ms - 1))


async def test_who_is_late_with_a_former_boundary_is_in_the_way_until_he_is_dead(
    backend: Backend, later: Later
) -> None:
    await claim(backend, "late", ttl=DAY + 60)
    await later(DAY)
    reply = await claim(backend, "n.1")
    assert (reply.grant, reply.place, reply.tick.served) == (None, None, False)
    assert lives(reply.holders) == [("late", 1, DAY + 60)]
    await later(60)
    assert token(await claim(backend, "n.2"))


async def test_a_repeated_claim_of_a_boundary_is_granted_the_same_once(backend: Backend) -> None:
    first = await claim(backend, "m.1")
    again = await claim(backend, "m.1")
    assert token(again) == token(first)
    assert (again.tick.boundary_ms, again.tick.served) == (first.tick.boundary_ms, True)


@pytest.mark.parametrize("ends", ["released", "expired"])
async def test_a_served_boundary_stays_served_when_the_lease_is(
    backend: Backend, later: Later, ends: str
) -> None:
    await claim(backend, "m.1", ttl=5)
    if ends == "released":
        assert (await backend.release("cron", "m.1"))[0] is True
    else:
        await later(5)
    reply = await claim(backend, "n.1")
    assert (reply.grant, reply.holders, reply.tick.served) == (None, [], True)


async def test_one_who_holds_the_lock_is_in_the_way_of_a_boundary(backend: Backend) -> None:
    await held(backend, owner="me")
    reply = await claim(backend, "n.1")
    assert (reply.grant, reply.tick.served) == (None, False)
    assert await holders(backend) == ["me"]


async def test_a_boundary_of_a_lock_with_more_capacity_is_not_granted(backend: Backend) -> None:
    await held(backend, capacity=2)
    reply = await claim(backend, "n.1")
    assert (reply.grant, reply.capacity, reply.tick.served) == (None, 2, False)


async def test_an_ordinary_claim_does_not_touch_the_boundary(backend: Backend) -> None:
    await claim(backend, "m.1")
    await backend.release("cron", "m.1")
    await held(backend, "m.2")
    await backend.release("cron", "m.2")
    assert (await claim(backend, "n.1")).tick.served
