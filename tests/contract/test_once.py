"""What is done once, by every backend."""

from __future__ import annotations

from typing import Any

import pytest
from contract.shared import Later, granted, held, listed, request, seen, token, waits

from mongolock_async._engine.backend import Backend
from mongolock_async._protocol.request import Request

pytestmark = pytest.mark.asyncio(loop_scope="module")

YEARS = 1_000 * 366 * 86_400


def work(owner: str = "me", **options: Any) -> Request:
    """A claim of what is to be done once."""
    return request(owner, kind="once", **options)


async def done(backend: Backend, lease: str = "m.1") -> None:
    """It is done, by this lease."""
    mine = token(await backend.claim(work(), lease))
    assert mine is not None
    assert await backend.finish("cron", lease, mine)


async def test_a_claim_a_look_and_a_question_of_what_is_done_say_so_and_grant_nothing(
    backend: Backend,
) -> None:
    await done(backend)
    for first in (None, 10):
        reply = await backend.claim(work(), "n.1", first=first)
        assert (reply.grant, reply.place, reply.kind) == (None, None, "done")
    for asked in (await backend.ask("cron", "n.1"), await backend.look("cron", "n.1")):
        assert asked is not None
        assert (asked.grant, asked.place, asked.kind) == (None, None, "done")


async def test_a_lock_is_not_claimed_of_a_name_that_is_done(backend: Backend) -> None:
    await done(backend)
    for asked in (request(), request(capacity=3), request(kind="rwlock", capacity=9)):
        reply = await backend.claim(asked, "n.1", first=10)
        assert (reply.grant, reply.place, reply.kind) == (None, None, "done")
    assert (await backend.resize("cron", 3)).kind == "done"


async def test_a_repetition_says_the_same(backend: Backend) -> None:
    mine = await held(backend, kind="once")
    assert [await backend.finish("cron", "m.1", mine) for _ in range(2)] == [True, True]


async def test_only_a_live_lease_with_its_token_finishes(backend: Backend, later: Later) -> None:
    mine = await held(backend, kind="once", ttl=5)
    assert not await backend.finish("cron", "m.1", mine + 1)
    assert not await backend.finish("cron", "m.2", mine)
    await later(6)
    assert not await backend.finish("cron", "m.1", mine)
    assert (await seen(backend)).get("kind") == "once"
    assert not await backend.finish("none", "m.1", mine)


async def test_a_lease_that_came_too_late_finishes_nothing_that_others_have_done(
    backend: Backend, later: Later
) -> None:
    mine = await held(backend, kind="once", ttl=5)
    await later(6)
    await done(backend, "n.1")
    assert not await backend.finish("cron", "m.1", mine)


async def test_everybody_is_taken_out_of_the_queue_and_nobody_is_granted(backend: Backend) -> None:
    mine = await held(backend, kind="once")
    await waits(backend, "n.1", "n.2", kind="once")
    assert await backend.finish("cron", "m.1", mine)
    view = await seen(backend)
    assert (view.get("kind"), view["holders"], view["queue"], view["token"]) == ("done", [], [], mine)


async def test_it_outlives_everything(backend: Backend, later: Later) -> None:
    await done(backend)
    await later(YEARS)
    reply = await backend.claim(work(), "n.1", first=10)
    assert (reply.grant, reply.kind) == (None, "done")


async def test_it_is_held_by_nobody_and_cannot_be_forced(backend: Backend) -> None:
    await done(backend)
    assert await listed(backend, held=True) == []
    assert not await backend.force("cron")
    assert (await seen(backend)).get("kind") == "done"


async def test_it_is_undone_once(backend: Backend) -> None:
    await done(backend)
    assert [await backend.reset("cron") for _ in range(2)] == [True, False]
    assert token(await backend.claim(work(), "n.1"))
    assert not await backend.reset("cron")
    assert not await backend.reset("none")


async def test_what_is_undone_may_become_a_lock_and_expire(backend: Backend) -> None:
    await done(backend)
    await backend.reset("cron")
    assert await held(backend, "n.1")


async def test_whoever_waits_for_one_that_was_given_up_is_granted(backend: Backend) -> None:
    await held(backend, kind="once")
    await waits(backend, "n.1", kind="once")
    _, reply = await backend.release("cron", "m.1")
    assert granted(reply) == ["n.1"]
