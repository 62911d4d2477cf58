"""How leases and places are kept alive and asked for, by every backend."""

from __future__ import annotations

import pytest
from contract.shared import TTL, Later, held, holders, lives, queue, request, seen, token, waits

from mongolock_async._engine.backend import Backend
from mongolock_async._protocol.reply import Grant

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def left(backend: Backend, name: str = "cron") -> list[int]:
    """The seconds that holders and places have left, to the nearest ten."""
    view = await seen(backend, name)
    return [round(one["left_ms"] / 10_000) * 10 for one in view["holders"] + view["queue"]]


async def test_a_question_renews_the_lease_for_its_whole_ttl(backend: Backend, later: Later) -> None:
    mine = await held(backend)
    await later(20)
    assert await left(backend) == [10]
    reply = await backend.ask("cron", "m.1")
    assert reply is not None
    assert reply.grant == Grant(mine, TTL)
    assert reply.holders[0]["age_ms"] >= 20_000


async def test_a_question_renews_a_place_and_tells_it(backend: Backend, later: Later) -> None:
    mine = await held(backend)
    await waits(backend, "n.1", "o.1")
    await later(6)
    reply = await backend.ask("cron", "o.1")
    assert reply is not None
    assert (reply.grant, reply.place, reply.newest) == (None, 1, mine)
    await later(6)
    assert await queue(backend) == ["o.1"]


async def test_an_expired_lease_is_not_revived_by_a_question(backend: Backend, later: Later) -> None:
    await held(backend)
    await later(TTL)
    reply = await backend.ask("cron", "m.1")
    assert reply is not None
    assert (reply.grant, reply.holders) == (None, [])
    assert await holders(backend) == []


async def test_a_question_takes_what_a_dead_holder_has_left(backend: Backend, later: Later) -> None:
    dead = await held(backend, ttl=5)
    await waits(backend, "n.1")
    await later(5)
    mine = token(await backend.ask("cron", "n.1"))
    assert (mine or 0) > dead
    assert (await seen(backend))["token"] == mine
    assert (await holders(backend), await queue(backend)) == (["n.1"], [])


async def test_a_question_of_one_behind_serves_the_one_before_it(backend: Backend, later: Later) -> None:
    await held(backend, ttl=5)
    await waits(backend, "n.1", "o.1")
    await later(5)
    reply = await backend.ask("cron", "o.1")
    assert reply is not None
    assert (reply.grant, reply.place, lives(reply.holders)) == (None, 0, [("n.1", 1, TTL)])


async def test_a_look_tells_the_place_and_changes_nothing(backend: Backend, later: Later) -> None:
    mine = await held(backend)
    await waits(backend, "n.1", "o.1")
    await later(6)
    reply = await backend.look("cron", "o.1")
    assert reply is not None
    assert (reply.grant, reply.place, reply.newest, reply.capacity) == (None, 1, mine, 1)
    assert token(await backend.look("cron", "m.1")) == mine
    await later(6)
    assert await queue(backend) == []


async def test_a_look_shows_an_expired_holder_and_grants_nothing(backend: Backend, later: Later) -> None:
    await held(backend, ttl=5)
    await waits(backend, "n.1")
    await later(6)
    reply = await backend.look("cron", "n.1")
    assert reply is not None
    assert (reply.grant, reply.place, lives(reply.holders)) == (None, 0, [("me", 1, 5)])
    assert (reply.next_expiry or 0) < 0
    assert token(await backend.look("cron", "m.1")) is None


async def test_a_look_at_what_is_not_there_makes_nothing(backend: Backend) -> None:
    assert await backend.look("cron", "m.1") is None
    assert await backend.ask("cron", "m.1") is None
    assert await backend.view("cron") is None


async def test_a_batch_renews_leases_and_places_for_their_whole_time(backend: Backend, later: Later) -> None:
    await held(backend, "m.1", name="a")
    await held(backend, "n.1", name="b")
    await waits(backend, "m.2", name="b")
    await later(9)
    assert await backend.renew({"a": "m.1", "b": "m.2"}, 5) == {"m.1", "m.2"}
    await later(9)
    assert (await left(backend, "a"), await left(backend, "b")) == ([20], [10, 0])


async def test_a_batch_tells_which_of_its_leases_stand(backend: Backend, later: Later) -> None:
    for number, name in enumerate(["expired", "forced", "taken", "kept"]):
        await held(backend, f"m.{number}", name=name, ttl=5 if name == "expired" else TTL)
    await backend.force("forced")
    await backend.force("taken")
    await held(backend, "n.1", name="taken")
    await later(5)
    batch = {"expired": "m.0", "forced": "m.1", "taken": "m.2", "kept": "m.3", "never there": "m.4"}
    assert await backend.renew(batch, 5) == {"m.3"}
    assert await left(backend, "kept") == [30]
    assert await backend.view("never there") is None


async def test_a_batch_revives_nothing(backend: Backend, later: Later) -> None:
    await held(backend, "m.1", name="lease", ttl=5)
    await held(backend, "n.1", name="place")
    await waits(backend, "m.2", name="place")
    await later(10)
    assert await backend.renew({"lease": "m.1", "place": "m.2"}, 5) == set()
    assert (await left(backend, "lease"), await left(backend, "place")) == ([], [20])


async def test_a_batch_serves_those_who_wait_for_a_dead_holder(backend: Backend, later: Later) -> None:
    await held(backend, ttl=5)
    await waits(backend, "n.1", "o.1")
    await later(5)
    assert await backend.renew({"cron": "o.1"}, 5) == {"o.1"}
    assert (await holders(backend), await queue(backend)) == (["n.1"], ["o.1"])


async def test_a_lease_under_the_id_of_another_name_is_not_renewed(backend: Backend, later: Later) -> None:
    await held(backend, "m.1", name="a")
    await held(backend, "m.2", name="b")
    await later(20)
    assert await backend.renew({"a": "m.2"}, 5) == set()
    assert await left(backend, "a") == [10]
    assert token(await backend.claim(request(name="c"), "m.3"))
