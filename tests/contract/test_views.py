"""What a lock shows of itself, by every backend."""

from __future__ import annotations

import pytest
from contract.shared import TTL, Later, held, listed, lives, seen, waits

from mongolock_async._engine.backend import Backend

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_lock_shows_who_holds_it_and_who_waits(backend: Backend, later: Later) -> None:
    mine = await held(backend, owner="me")
    await waits(backend, "n.1")
    await later(2)
    view = await seen(backend)
    (holder,), (waiter,) = view["holders"], view["queue"]
    assert (view["capacity"], view["token"]) == (1, mine)
    assert holder.keys() == {"owner", "weight", "token", "age_ms", "left_ms", "ttl_ms"}
    assert waiter.keys() == {"owner", "weight", "age_ms", "left_ms"}
    assert (holder["token"], holder["ttl_ms"]) == (mine, TTL * 1000)
    assert (lives([holder]), lives([waiter])) == ([("me", 1, TTL)], [("n.1", 1, 10)])
    assert 2000 <= waiter["age_ms"] <= holder["age_ms"]


async def test_what_has_expired_is_not_shown(backend: Backend, later: Later) -> None:
    mine = await held(backend, ttl=5)
    await waits(backend, "n.1")
    await later(11)
    nobody = {"kind": "mutex", "holders": [], "queue": []}
    assert await backend.view("cron") == {"capacity": 1, "token": mine, **nobody}


async def test_a_lock_that_was_made_is_free(backend: Backend) -> None:
    await backend.create("cron")
    assert await backend.view("cron") == {"capacity": 1, "token": 0, "holders": [], "queue": []}


async def test_to_make_a_lock_again_changes_nothing(backend: Backend) -> None:
    mine = await held(backend, capacity=3)
    await waits(backend, "n.1", weight=3, capacity=3)
    await backend.create("cron")
    view = await seen(backend)
    assert (view["capacity"], view["token"]) == (3, mine)
    assert (lives(view["holders"]), lives(view["queue"])) == ([("me", 1, TTL)], [("n.1", 3, 10)])


async def test_to_make_a_lock_again_serves_who_waits_for_a_dead_holder(
    backend: Backend, later: Later
) -> None:
    await held(backend, ttl=5)
    await waits(backend, "n.1")
    await later(5)
    await backend.create("cron")
    view = await seen(backend)
    assert (lives(view["holders"]), view["queue"]) == ([("n.1", 1, TTL)], [])


async def test_a_lock_that_nobody_has_made_is_none(backend: Backend) -> None:
    assert await backend.view("cron") is None


async def test_the_list_has_the_names_with_the_prefix_in_order(backend: Backend) -> None:
    names = ["job:b", "job:a", "job", "joc", "job:\U0010ffff", "job:\uffff", "a", "job:A", "job:", "ж"]
    for name in names:
        await backend.create(name)
    found = [name for name, _ in await listed(backend, "job:")]
    assert found == ["job:", "job:A", "job:a", "job:b", "job:\uffff", "job:\U0010ffff"]
    assert [name for name, _ in await listed(backend)] == sorted(names)
    assert [name for name, _ in await listed(backend, "none")] == []


async def test_the_list_of_what_is_held_has_no_free_and_no_expired_lock(
    backend: Backend, later: Later
) -> None:
    await held(backend, "m.1", name="expired", ttl=5)
    await later(5)
    await backend.create("free")
    for name in ("held", "released", "a:held"):
        await held(backend, f"{name}.1", name=name)
    await backend.release("released", "released.1")
    assert [name for name, _ in await listed(backend, held=True)] == ["a:held", "held"]
    assert [name for name, _ in await listed(backend, "a:", held=True)] == ["a:held"]


async def test_a_listed_lock_shows_what_it_shows_alone(backend: Backend) -> None:
    mine = await held(backend, owner="me")
    await waits(backend, "n.1")
    ((name, view),) = await listed(backend)
    assert (name, view["capacity"], view["token"]) == ("cron", 1, mine)
    assert (lives(view["holders"]), lives(view["queue"])) == ([("me", 1, TTL)], [("n.1", 1, 10)])


async def test_the_index_is_made_however_often_it_is_asked_for(backend: Backend) -> None:
    assert [await backend.index() for _ in range(2)] == [True, True]


async def test_a_backend_has_the_name_of_what_it_is_on(backend: Backend) -> None:
    assert backend.full_name == backend.full_name != ""
