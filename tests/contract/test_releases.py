"""How a lock is given back, by every backend."""

from __future__ import annotations

import pytest
from contract.shared import TTL, Later, granted, held, holders, lives, queue, request, seen, token, waits

from mongolock_async._engine.backend import Backend
from mongolock_async._protocol.reply import Grant

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def released(backend: Backend, lease: str = "m.1") -> bool | None:
    """Whether it was live until now."""
    return (await backend.release("cron", lease))[0]


async def test_a_release_says_whether_the_lease_was_live(backend: Backend) -> None:
    await held(backend)
    assert [await released(backend) for _ in range(2)] == [True, True]  # a repetition says the same
    assert await released(backend, "n.1") is False
    assert await holders(backend) == []


async def test_a_late_release_frees_nobody(backend: Backend, later: Later) -> None:
    await held(backend, "m.1")
    await later(TTL)
    await held(backend, "n.1", owner="successor")
    assert await released(backend) is False
    assert await holders(backend) == ["successor"]


async def test_the_release_of_an_expired_lease_says_that_it_was_over(backend: Backend, later: Later) -> None:
    await held(backend)
    await later(TTL)
    assert await released(backend) is False


async def test_what_is_not_there_is_not_released_and_not_made(backend: Backend) -> None:
    assert await released(backend) is False
    assert await backend.withdraw("cron", "m.1") is None
    assert await backend.force("cron") is False
    assert await backend.view("cron") is None


async def test_a_release_serves_the_first_who_waits_for_its_first_life(
    backend: Backend, later: Later
) -> None:
    mine = await held(backend)
    await waits(backend, "n.1", "o.1", first=7)
    await later(2)
    await backend.release("cron", "m.1")
    view = await seen(backend)
    assert lives(view["holders"]) == [("n.1", 1, 7)]
    assert view["holders"][0]["token"] == view["token"] > mine
    assert await queue(backend) == ["o.1"]


async def test_a_hand_over_releases_one_lease_and_grants_another_its_whole_ttl(backend: Backend) -> None:
    mine = await held(backend)
    was_held, reply = await backend.hand_over("cron", "m.1", mine, request("next"), "m.2", 10)
    assert was_held is True
    assert (token(reply) or 0) > mine
    view = await seen(backend)
    assert lives(view["holders"]) == [("next", 1, TTL)]
    assert view["queue"] == []


async def test_a_hand_over_goes_behind_those_who_wait(backend: Backend) -> None:
    mine = await held(backend)
    await waits(backend, "n.1")
    was_held, reply = await backend.hand_over("cron", "m.1", mine, request("next"), "m.2", 10)
    assert was_held is True
    assert reply is not None
    assert (reply.place, granted(reply)) == (0, ["n.1"])
    assert await holders(backend) == ["n.1"]
    assert await queue(backend) == ["next"]


async def test_a_hand_over_of_a_lease_that_is_over_is_a_claim_all_the_same(
    backend: Backend, later: Later
) -> None:
    mine = await held(backend)
    await later(TTL)
    was_held, reply = await backend.hand_over("cron", "m.1", mine, request("next"), "m.2", 10)
    assert (was_held, token(reply) is not None) == (False, True)
    assert await backend.hand_over("gone", "m.1", mine, request("next"), "m.2", 10) == (False, None)


async def test_a_release_serves_as_many_as_there_is_room_for_and_no_one_behind(backend: Backend) -> None:
    await held(backend, weight=3, capacity=3)
    for lease, weight in {"n.1": 1, "o.1": 1, "p.1": 2, "q.1": 1}.items():
        await waits(backend, lease, weight=weight, capacity=3)
    await backend.release("cron", "m.1")
    view = await seen(backend)
    assert [holder["owner"] for holder in view["holders"]] == ["n.1", "o.1"]
    tokens = [holder["token"] for holder in view["holders"]]
    assert tokens == [view["token"] - 1, view["token"]]
    assert await queue(backend) == ["p.1", "q.1"]


async def test_a_release_passes_over_who_has_died_waiting(backend: Backend, later: Later) -> None:
    await held(backend)
    await waits(backend, "dead")
    await later(10)
    await waits(backend, "n.1")
    await backend.release("cron", "m.1")
    assert (await holders(backend), await queue(backend)) == (["n.1"], [])


@pytest.mark.parametrize(
    ("back", "order"),
    [
        ((), ["a", "b", "c", "d"]),
        (("a",), ["b", "c", "d", "a"]),
        (("c", "a"), ["b", "d", "a", "c"]),
        (("d",), ["a", "b", "c", "d"]),
        (("gone",), ["a", "b", "c", "d"]),
    ],
    ids=str,
)
async def test_a_release_lets_everybody_but_those_of_its_own_go_first(
    backend: Backend, back: tuple[str, ...], order: list[str]
) -> None:
    await held(backend)
    await waits(backend, "a", "b", "c", "d")
    assert (await backend.release("cron", "m.1", back))[0] is True
    assert await holders(backend) + await queue(backend) == order


async def test_a_place_is_released_too_and_was_not_live(backend: Backend) -> None:
    await held(backend)
    await waits(backend, "n.1", "o.1")
    assert await released(backend, "n.1") is False
    assert (await holders(backend), await queue(backend)) == (["me"], ["o.1"])


async def test_a_release_tells_whom_it_has_granted(backend: Backend) -> None:
    await held(backend, weight=2, capacity=2)
    await waits(backend, "n.1", "o.1", "p.1", capacity=2)
    answers = [await backend.release("cron", lease, (), "p.1") for lease in ("m.1", "n.1")]
    assert [(was, granted(reply)) for was, reply in answers] == [(True, ["n.1", "o.1"]), (True, [])]


async def test_a_release_tells_its_own_waiter_what_it_has_got(backend: Backend) -> None:
    mine = await held(backend)
    await waits(backend, "m.2", first=10)
    was, reply = await backend.release("cron", "m.1", (), "m.2")
    assert was is True
    assert reply is not None
    assert reply.grant == Grant((await seen(backend))["token"], 10)
    assert reply.grant.fencing_token > mine


async def test_a_release_tells_its_own_waiter_where_it_stands(backend: Backend) -> None:
    await held(backend)
    await waits(backend, "n.1", "m.2")
    _, reply = await backend.release("cron", "m.1", ("m.2",), "m.2")
    assert reply is not None
    assert (reply.grant, reply.place, lives(reply.holders)) == (None, 0, [("n.1", 1, TTL)])


async def test_a_release_whose_waiter_is_gone_says_so(backend: Backend) -> None:
    await held(backend)
    was, reply = await backend.release("cron", "m.1", ("m.2",), "m.2")
    assert was is True
    assert reply is not None
    assert (reply.grant, reply.place) == (None, None)


async def test_a_withdrawal_takes_a_place_or_a_lease_and_tells_who_is_in_the_way(backend: Backend) -> None:
    await held(backend)
    await waits(backend, "n.1", "o.1")
    place = await backend.withdraw("cron", "o.1")
    assert place is not None
    assert (place.grant, place.place, lives(place.holders)) == (None, None, [("me", 1, TTL)])
    lease = await backend.withdraw("cron", "m.1")
    assert lease is not None
    assert (lease.grant, lives(lease.holders)) == (None, [("n.1", 1, TTL)])
    assert granted(lease) == ["n.1"]
    assert (await holders(backend), await queue(backend)) == (["n.1"], [])
    assert granted(await backend.withdraw("cron", "m.1")) == []


async def test_force_takes_every_holder_out_and_says_whether_there_was_any(backend: Backend) -> None:
    await held(backend, "m.1", capacity=2)
    await held(backend, "m.2", capacity=2)
    assert [await backend.force("cron") for _ in range(2)] == [True, False]
    assert await holders(backend) == []
    assert await released(backend) is False


async def test_force_serves_those_who_wait(backend: Backend) -> None:
    await held(backend)
    await waits(backend, "n.1", "o.1")
    assert await backend.force("cron") is True
    assert (await holders(backend), await queue(backend)) == (["n.1"], ["o.1"])


async def test_force_takes_out_the_holder_of_a_token_and_no_other(backend: Backend) -> None:
    first = await held(backend, "m.1", owner="first", capacity=2)
    await held(backend, "m.2", owner="second", capacity=2)
    await waits(backend, "n.1", capacity=2)
    assert await backend.force("cron", first - 1) is False
    assert await holders(backend) == ["first", "second"]
    assert [await backend.force("cron", first) for _ in range(2)] == [True, False]
    assert await holders(backend) == ["second", "n.1"]


async def test_force_by_the_token_of_one_who_has_gone_frees_nobody(backend: Backend, later: Later) -> None:
    former = await held(backend)
    await later(TTL)
    await held(backend, "n.1", owner="successor")
    assert await backend.force("cron", former) is False
    assert await holders(backend) == ["successor"]


async def test_force_finds_nobody_where_the_holder_has_expired(backend: Backend, later: Later) -> None:
    await held(backend)
    await later(TTL)
    assert await backend.force("cron") is False


async def test_what_was_taken_out_is_told_from_what_was_never_there(backend: Backend) -> None:
    await held(backend)
    await backend.force("cron")
    reply = await backend.ask("cron", "m.1")
    assert reply is not None
    assert (reply.grant, reply.holders, reply.place) == (None, [], None)
    assert await backend.ask("other", "m.1") is None
    assert token(await backend.claim(request(), "m.2"))
