"""Who is called when a lock is granted, and who hears it, by every backend that calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from contract.shared import Later, held, holders, queue, request, seen, waits

from mongolock_async._engine.backend import Backend, Call, Listener

pytestmark = pytest.mark.asyncio(loop_scope="module")

GRANTING: dict[str, Callable[[Backend], Awaitable[object]]] = {
    "a release": lambda backend: backend.release("cron", "h.1"),
    "a withdrawal": lambda backend: backend.withdraw("cron", "h.1"),
    "force": lambda backend: backend.force("cron"),
}
# What serves those who wait, once the holder is dead.
AFTER_DEATH: dict[str, Callable[[Backend], Awaitable[object]]] = {
    "a claim": lambda backend: backend.claim(request(), "o.1"),
    "a question of another": lambda backend: backend.ask("cron", "o.1"),
    "a batch of renewals": lambda backend: backend.renew({"cron": "m.1"}, 5),
    "the making of the lock": lambda backend: backend.create("cron"),
}


async def heard(listener: Listener, count: int = 1) -> list[Call]:
    """The next calls."""
    calls: list[Call] = []
    async with asyncio.timeout(20):
        while len(calls) < count:
            calls += await listener.next()
    return calls


@pytest.mark.parametrize("action", GRANTING)
async def test_the_first_who_waits_is_called_with_its_token_by(backend: Backend, action: str) -> None:
    await held(backend, "h.1")
    await waits(backend, "m.1", "m.2")
    async with backend.listen("m") as listener:
        await GRANTING[action](backend)
        assert await heard(listener) == [Call("m.1", (await seen(backend))["token"])]
        assert (await holders(backend), await queue(backend)) == (["m.1"], ["m.2"])


@pytest.mark.parametrize("action", AFTER_DEATH)
async def test_who_gets_a_dead_holders_lock_is_called_by(backend: Backend, later: Later, action: str) -> None:
    await held(backend, "h.1", ttl=5)
    await waits(backend, "m.1")
    await later(5)
    async with backend.listen("m") as listener:
        await AFTER_DEATH[action](backend)
        assert await heard(listener) == [Call("m.1", (await seen(backend))["token"])]


async def test_one_that_hears_of_its_grant_by_the_answer_is_not_called(
    backend: Backend, later: Later
) -> None:
    async with backend.listen("m") as listener:
        await held(backend, "m.1", ttl=5)
        await waits(backend, "m.2")
        await later(5)
        reply = await backend.ask("cron", "m.2")
        assert reply is not None
        assert reply.grant is not None
        await waits(backend, "m.3")
        await backend.release("cron", "m.2")
        assert [call.lease for call in await heard(listener)] == ["m.3"]


async def test_a_member_hears_of_its_own_places_only(backend: Backend) -> None:
    await held(backend, "h.1")
    await waits(backend, "other.1", "mm.1", "m.1")
    async with backend.listen("m") as listener:
        for lease in ("h.1", "other.1", "mm.1"):
            await backend.release("cron", lease)
        assert await heard(listener) == [Call("m.1", (await seen(backend))["token"])]


async def test_a_member_hears_of_all_its_locks_in_the_order_of_the_grants(backend: Backend) -> None:
    names = ["a", "b", "c"]
    for number, name in enumerate(names):
        await held(backend, "h.1", name=name)
        await waits(backend, f"m.{number}", name=name)
    async with backend.listen("m") as listener:
        for name in reversed(names):
            await backend.release(name, "h.1")
        tokens = [(await seen(backend, name))["token"] for name in names]
        calls = [Call(f"m.{number}", token) for number, token in enumerate(tokens)]
        assert await heard(listener, 3) == calls[::-1]


async def test_those_who_are_granted_at_a_time_are_all_called_with_no_wrong_token(backend: Backend) -> None:
    await held(backend, "h.1", weight=3, capacity=3)
    await waits(backend, "n.1", "m.1", "m.2", capacity=3)
    async with backend.listen("m") as listener:
        await backend.release("cron", "h.1")
        calls = await heard(listener, 2)
    tokens = {holder["owner"]: holder["token"] for holder in (await seen(backend))["holders"]}
    # A backend may tell the calls to others along with ours.
    assert [call.lease for call in calls if call.lease != "n.1"] == ["m.1", "m.2"]
    # And it need not know whose token it is; the waiter asks then.
    assert all(call.token in {None, tokens[call.lease]} for call in calls)


async def test_each_listener_of_a_member_hears_every_call(backend: Backend) -> None:
    await held(backend, "h.1")
    await waits(backend, "m.1")
    async with backend.listen("m") as one, backend.listen("m") as other:
        await backend.release("cron", "h.1")
        assert await heard(one) == await heard(other)


async def test_a_listener_hears_nothing_of_what_was_before_it_opened(backend: Backend) -> None:
    await held(backend, "h.1")
    await waits(backend, "m.1", "m.2")
    await backend.release("cron", "h.1")
    async with backend.listen("m") as listener:
        await backend.release("cron", "m.1")
        assert [call.lease for call in await heard(listener)] == ["m.2"]


async def test_a_listener_that_was_closed_is_followed_by_another(backend: Backend) -> None:
    await held(backend, "h.1")
    await waits(backend, "m.1", "m.2")
    async with backend.listen("m"):
        pass
    async with backend.listen("m") as listener:
        await backend.release("cron", "h.1")
        assert [call.lease for call in await heard(listener)] == ["m.1"]


async def test_without_news_a_listener_returns_nothing_after_a_while(backend: Backend) -> None:
    async with backend.listen("m") as listener:
        await held(backend, "m.1")
        await backend.release("cron", "m.1")
        assert await listener.next() == []
