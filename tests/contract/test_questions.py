"""What one who waits asks, and what it sees, by every backend."""

from __future__ import annotations

import pytest
from contract.shared import TTL, Later, granted, held, holders, lives, queue, seen, token, waits

from mongolock_async._engine.backend import Backend
from mongolock_async._protocol.reply import Grant

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_question_renews_the_lease_for_its_whole_ttl(backend: Backend, later: Later) -> None:
    mine = await held(backend)
    await later(20)
    reply = await backend.ask("cron", "m.1")
    assert reply is not None
    assert reply.grant is not None
    assert reply.grant == Grant(mine, TTL, reply.grant.age)
    assert reply.grant.age >= 20


async def test_a_question_renews_a_place_and_tells_it(backend: Backend, later: Later) -> None:
    await held(backend)
    await waits(backend, "n.1", "o.1")
    await later(6)
    reply = await backend.ask("cron", "o.1")
    assert reply is not None
    assert (reply.grant, reply.place, reply.alone) == (None, 1, False)
    assert lives(reply.holders) == [("me", 1, TTL)]
    await later(6)
    assert await queue(backend) == ["o.1"]


async def test_an_expired_lease_is_not_revived_by_a_question(backend: Backend, later: Later) -> None:
    await held(backend)
    await later(TTL)
    reply = await backend.ask("cron", "m.1")
    assert reply is not None
    assert (reply.grant, reply.holders) == (None, [])
    assert await holders(backend) == []


async def test_a_question_takes_what_a_dead_holder_has_left_for_the_whole_ttl(
    backend: Backend, later: Later
) -> None:
    dead = await held(backend, ttl=5)
    await waits(backend, "n.1", first=10)
    await later(5)
    reply = await backend.ask("cron", "n.1")
    mine = token(reply) or 0
    assert reply is not None
    assert reply.grant == Grant(mine, TTL)
    assert granted(reply) == []
    assert (await seen(backend))["token"] == mine > dead
    assert (await holders(backend), await queue(backend)) == (["n.1"], [])


async def test_a_question_of_one_behind_serves_the_one_before_it_and_says_so(
    backend: Backend, later: Later
) -> None:
    await held(backend, ttl=5)
    await waits(backend, "n.1", "o.1")
    await later(5)
    reply = await backend.ask("cron", "o.1")
    assert reply is not None
    assert (reply.grant, reply.place, lives(reply.holders)) == (None, 0, [("n.1", 1, TTL)])
    assert granted(reply) == ["n.1"]
    assert granted(await backend.ask("cron", "o.1")) == []


async def test_a_look_tells_the_place_and_changes_nothing(backend: Backend, later: Later) -> None:
    mine = await held(backend)
    await waits(backend, "n.1", "o.1")
    await later(6)
    reply = await backend.look("cron", "o.1")
    assert reply is not None
    assert (reply.grant, reply.place, reply.capacity, reply.fits, reply.alone) == (None, 1, 1, False, False)
    assert token(await backend.look("cron", "m.1")) == mine
    await later(6)
    assert await queue(backend) == []


async def test_a_look_leaves_out_what_has_expired_and_grants_nothing(backend: Backend, later: Later) -> None:
    mine = await held(backend, ttl=5)
    await waits(backend, "n.1")
    await later(6)
    reply = await backend.look("cron", "n.1")
    assert reply is not None
    assert (reply.grant, reply.place, reply.holders, reply.next_expiry) == (None, 0, [], None)
    assert reply.fits
    assert token(await backend.look("cron", "m.1")) is None
    assert ((await seen(backend))["token"], await queue(backend)) == (mine, ["n.1"])


async def test_a_look_tells_who_fits(backend: Backend, later: Later) -> None:
    await held(backend, "dead", weight=3, capacity=3, ttl=5)
    for lease, weight in {"n.1": 1, "o.1": 2, "p.1": 1}.items():
        await waits(backend, lease, weight=weight, capacity=3)
    assert await fit(backend, "n.1", "o.1", "p.1", "none") == [False, False, False, False]
    await later(5)
    assert await fit(backend, "n.1", "o.1", "p.1", "none") == [True, True, False, False]


async def fit(backend: Backend, *leases: str) -> list[bool]:
    """Whether a question of each would be granted."""
    replies = [await backend.look("cron", lease) for lease in leases]
    return [reply is not None and reply.fits for reply in replies]


async def test_a_look_tells_when_the_first_of_those_before_expires(backend: Backend, later: Later) -> None:
    await held(backend, ttl=TTL)
    await waits(backend, "n.1")
    await later(4)
    await waits(backend, "o.1", "p.1")
    moments = [await next_expiry(backend, lease) for lease in ("n.1", "o.1", "p.1")]
    assert all(due - 5 < moment <= due for moment, due in zip(moments, (26, 6, 6), strict=True))


async def next_expiry(backend: Backend, lease: str) -> float:
    reply = await backend.look("cron", lease)
    assert reply is not None
    assert reply.next_expiry is not None
    return reply.next_expiry


async def test_a_look_at_what_is_not_there_makes_nothing(backend: Backend) -> None:
    assert await backend.look("cron", "m.1") is None
    assert await backend.ask("cron", "m.1") is None
    assert await backend.confirm("cron", "m.1", None) is None
    assert await backend.view("cron") is None


async def test_a_grant_is_confirmed_and_its_life_stays_as_it_is_or_is_made_whole(backend: Backend) -> None:
    """Where there are no majority reads, a question takes the place of one."""
    await held(backend)
    await waits(backend, "n.1", first=10)
    await backend.release("cron", "m.1")
    reply = await backend.confirm("cron", "n.1", None)
    assert reply is not None
    assert reply.grant is not None
    assert reply.grant.fencing_token == (await seen(backend))["token"]
    assert any(life - 5 < reply.grant.remaining <= life for life in (10, TTL))


async def test_who_was_not_granted_is_told_its_place_when_it_makes_sure(backend: Backend) -> None:
    await held(backend)
    await waits(backend, "n.1", "o.1")
    for lease, place in {"o.1": 1, "n.1": 0, "p.1": None}.items():
        reply = await backend.confirm("cron", lease, None)
        assert reply is not None
        assert (reply.grant, reply.place) == (None, place)
