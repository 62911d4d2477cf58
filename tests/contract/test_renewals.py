"""How leases and places are kept alive, by every backend."""

from __future__ import annotations

import pytest
from contract.shared import TTL, Later, held, holders, queue, seen, token, waits

from mongolock_async._engine.backend import Backend
from mongolock_async._protocol.reply import Grant
from mongolock_async._protocol.request import TtlChange

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def left(backend: Backend, name: str = "cron") -> list[int]:
    """The seconds that holders and places have left, to the nearest ten."""
    view = await seen(backend, name)
    return [round(one["left_ms"] / 10_000) * 10 for one in view["holders"] + view["queue"]]


async def test_a_batch_renews_leases_for_their_whole_time(backend: Backend, later: Later) -> None:
    batch = {name: (f"m.{name}", await held(backend, f"m.{name}", name=name)) for name in "ab"}
    await later(20)
    assert await backend.renew(batch, 5) == {"m.a", "m.b"}
    assert (await left(backend, "a"), await left(backend, "b")) == ([30], [30])


async def test_a_batch_tells_which_of_its_leases_stand(backend: Backend, later: Later) -> None:
    batch = {"never there": ("m.9", 9)}
    for number, name in enumerate(["expired", "forced", "taken", "kept"]):
        lease, ttl = f"m.{number}", 5 if name == "expired" else TTL
        batch[name] = lease, await held(backend, lease, name=name, ttl=ttl)
    await backend.force("forced")
    await backend.force("taken")
    await held(backend, "n.1", name="taken")
    await later(5)
    assert await backend.renew(batch, 5) == {"m.3"}
    assert await left(backend, "kept") == [30]
    assert await backend.view("never there") is None


async def test_a_renewal_by_the_id_with_another_token_renews_nothing(backend: Backend, later: Later) -> None:
    mine = await held(backend)
    await later(20)
    assert await backend.renew({"cron": ("m.1", mine - 1)}, 5) == set()
    reply = await backend.prolong("cron", "m.1", mine - 1)
    assert reply is not None
    assert (reply.grant, [one["owner"] for one in reply.holders]) == (None, ["me"])
    assert await left(backend) == [10]


async def test_a_lease_under_the_id_of_another_name_is_not_renewed(backend: Backend, later: Later) -> None:
    await held(backend, "m.1", name="a")
    other = await held(backend, "m.2", name="b")
    await later(20)
    assert await backend.renew({"a": ("m.2", other)}, 5) == set()
    assert await left(backend, "a") == [10]


async def test_a_renewal_touches_no_place_and_a_refresh_no_lease(backend: Backend, later: Later) -> None:
    await held(backend)
    await waits(backend, "n.1")
    await later(6)
    assert await backend.renew({"cron": ("n.1", 0)}, 5) == set()
    assert await backend.refresh({"cron": "m.1"}, 5) == set()
    await later(4)
    assert await left(backend) == [20]


async def test_a_refresh_lets_places_stand_for_another_ten_seconds(backend: Backend, later: Later) -> None:
    await held(backend, "h.1", name="a")
    await held(backend, "h.2", name="b")
    await waits(backend, "m.1", name="a")
    await waits(backend, "n.1", "m.2", name="b")
    await later(9)
    assert await backend.refresh({"a": "m.1", "b": "m.2"}, 5) == {"m.1", "m.2"}
    await later(9)
    assert (await left(backend, "a"), await left(backend, "b")) == ([10, 0], [10, 0])
    assert [one["owner"] for one in (await seen(backend, "b"))["queue"]] == ["m.2"]


async def test_a_refresh_tells_which_of_its_places_stand(backend: Backend, later: Later) -> None:
    for name in ("expired", "granted", "gone", "kept"):
        await held(backend, "h.1", name=name)
        await waits(backend, f"m.{name}", name=name)
        await later(10 if name == "expired" else 0)
    await backend.release("granted", "h.1")
    await backend.withdraw("gone", "m.gone")
    names = ["expired", "granted", "gone", "kept", "never there"]
    assert await backend.refresh({name: f"m.{name}" for name in names}, 5) == {"m.kept"}
    assert await backend.view("never there") is None


@pytest.mark.parametrize("command", ["renew", "prolong", "refresh"])
async def test_a_renewal_grants_nothing(backend: Backend, later: Later, command: str) -> None:
    """Nobody would hear of it."""
    await held(backend, "dead", capacity=2, ttl=5)
    mine = await held(backend, "m.1", capacity=2)
    await waits(backend, "n.1", "o.1", capacity=2)
    await later(5)
    if command == "renew":
        assert await backend.renew({"cron": ("m.1", mine)}, 5) == {"m.1"}
    elif command == "prolong":
        assert token(await backend.prolong("cron", "m.1", mine)) == mine
    else:
        assert await backend.refresh({"cron": "o.1"}, 5) == {"o.1"}
    assert (await holders(backend), await queue(backend)) == (["me"], ["n.1", "o.1"])


async def test_a_renewal_and_a_refresh_revive_nothing(backend: Backend, later: Later) -> None:
    mine = await held(backend, "m.1", name="lease", ttl=5)
    await held(backend, "n.1", name="place")
    await waits(backend, "m.2", name="place")
    await later(10)
    assert await backend.renew({"lease": ("m.1", mine)}, 5) == set()
    assert token(await backend.prolong("lease", "m.1", mine)) is None
    assert await backend.refresh({"place": "m.2"}, 5) == set()
    assert (await left(backend, "lease"), await left(backend, "place")) == ([], [20])


async def test_one_lease_is_prolonged_for_its_whole_ttl(backend: Backend, later: Later) -> None:
    mine = await held(backend)
    await later(20)
    reply = await backend.prolong("cron", "m.1", mine)
    assert reply is not None
    assert reply.grant is not None
    assert (reply.grant.fencing_token, reply.grant.remaining) == (mine, TTL)
    assert reply.grant.age >= 20
    assert await left(backend) == [30]


async def test_a_lease_that_is_not_there_is_not_prolonged(backend: Backend) -> None:
    assert await backend.prolong("cron", "m.1", 1) is None
    assert await backend.view("cron") is None
    await held(backend, "n.1", owner="other")
    reply = await backend.prolong("cron", "m.1", 1)
    assert reply is not None
    assert (reply.grant, [one["owner"] for one in reply.holders]) == (None, ["other"])


@pytest.mark.parametrize("command", ["renew", "prolong", "ask"])
async def test_a_first_life_is_made_whole_by(backend: Backend, command: str) -> None:
    await held(backend)
    await waits(backend, "n.1", first=10)
    await backend.release("cron", "m.1")
    assert await left(backend) == [10]
    mine = (await seen(backend))["token"]
    if command == "renew":
        assert await backend.renew({"cron": ("n.1", mine)}, 5) == {"n.1"}
    elif command == "prolong":
        assert token(await backend.prolong("cron", "n.1", mine)) == mine
    else:
        reply = await backend.ask("cron", "n.1")
        assert reply is not None
        assert reply.grant == Grant(mine, TTL, reply.grant.age if reply.grant else 0)
    assert await left(backend) == [30]


@pytest.mark.parametrize("command", ["renew", "prolong", "ask", "claim"])
async def test_no_command_shortens_a_life(backend: Backend, later: Later, command: str) -> None:
    """A renewal that waited for a transaction may be carried out after one that began later."""
    mine = await held(backend)
    await later(-60)  # as one that has begun 60 s later would have left it
    if command == "renew":
        assert await backend.renew({"cron": ("m.1", mine)}, 5) == {"m.1"}
    elif command == "prolong":
        await backend.prolong("cron", "m.1", mine)
    elif command == "ask":
        await backend.ask("cron", "m.1")
    else:
        await held(backend)
    assert await left(backend) == [90]


@pytest.mark.parametrize("command", ["refresh", "ask"])
async def test_no_command_shortens_the_life_of_a_place(backend: Backend, later: Later, command: str) -> None:
    await held(backend)
    await waits(backend, "n.1")
    await later(-60)
    if command == "refresh":
        assert await backend.refresh({"cron": "n.1"}, 5) == {"n.1"}
    else:
        await backend.ask("cron", "n.1")
    assert await left(backend) == [90, 70]


async def test_a_lease_is_given_another_ttl_which_its_renewals_keep(backend: Backend, later: Later) -> None:
    mine = await held(backend)
    reply = await backend.prolong("cron", "m.1", mine, TtlChange(1, 90))
    assert reply is not None
    assert reply.grant == Grant(mine, 90, reply.grant.age if reply.grant else 0)
    assert (await seen(backend))["holders"][0]["ttl_ms"] == 90_000
    await later(80)
    assert await backend.renew({"cron": ("m.1", mine)}, 5) == {"m.1"}
    assert await left(backend) == [90]


async def test_a_shorter_ttl_takes_back_nothing(backend: Backend, later: Later) -> None:
    mine = await held(backend)
    assert token(await backend.prolong("cron", "m.1", mine, TtlChange(1, 10))) == mine
    assert await left(backend) == [30]
    await later(25)
    await backend.renew({"cron": ("m.1", mine)}, 5)
    assert await left(backend) == [10]


@pytest.mark.parametrize("number", [1, 2])
async def test_a_change_that_comes_late_or_twice_undoes_no_later_one(
    backend: Backend, later: Later, number: int
) -> None:
    mine = await held(backend)
    await backend.prolong("cron", "m.1", mine, TtlChange(2, 90))
    await later(80)
    assert token(await backend.prolong("cron", "m.1", mine, TtlChange(number, 10))) == mine
    assert await left(backend) == [90]
    assert (await seen(backend))["holders"][0]["ttl_ms"] == 90_000


async def test_the_ttl_of_what_is_over_or_another_s_is_not_changed(backend: Backend, later: Later) -> None:
    mine = await held(backend, capacity=2)
    await held(backend, "n.1", capacity=2, ttl=60)
    assert token(await backend.prolong("cron", "m.1", mine + 7, TtlChange(1, 90))) is None
    await later(30)
    assert token(await backend.prolong("cron", "m.1", mine, TtlChange(1, 90))) is None
    assert [one["ttl_ms"] for one in (await seen(backend))["holders"]] == [60_000]
