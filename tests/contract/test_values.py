"""What a holder tells all, by every backend."""

from __future__ import annotations

import pytest
from contract.shared import Later, held, listed, request, seen, token, waits

from mongolock_async._engine.backend import Backend

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def values(backend: Backend) -> list[str | None]:
    """What the holders tell."""
    return [person.get("value") for person in (await seen(backend))["holders"]]


async def test_a_holder_has_the_value_of_its_claim(backend: Backend) -> None:
    await held(backend, value="$owner")
    assert await values(backend) == ["$owner"]
    ((_, view),) = await listed(backend)
    assert view["holders"][0]["value"] == "$owner"


async def test_one_who_waited_has_its_own_value(backend: Backend) -> None:
    await held(backend, value="first")
    await waits(backend, "n.1", value="second")
    await backend.release("cron", "m.1")
    assert await values(backend) == ["second"]


async def test_one_who_was_handed_the_lock_has_its_own_value(backend: Backend) -> None:
    mine = await held(backend, value="first")
    _, reply = await backend.hand_over("cron", "m.1", mine, request(value="second"), "m.2", 10)
    assert token(reply) is not None
    assert await values(backend) == ["second"]


async def test_a_value_is_replaced_while_its_lease_lives(backend: Backend, later: Later) -> None:
    mine = await held(backend, ttl=5, value="first")
    assert token(await backend.proclaim("cron", "m.1", mine, "second", 1)) == mine
    assert await values(backend) == ["second"]
    await later(3)
    assert token(await backend.proclaim("cron", "m.1", mine, "", 2)) == mine
    assert await values(backend) == [""]
    await later(3)  # it was not renewed
    assert token(await backend.proclaim("cron", "m.1", mine, "late", 3)) is None
    assert await values(backend) == []


async def test_a_value_that_comes_late_replaces_no_later_one(backend: Backend) -> None:
    mine = await held(backend, value="first")
    await backend.proclaim("cron", "m.1", mine, "third", 2)
    assert token(await backend.proclaim("cron", "m.1", mine, "second", 1)) == mine
    assert await values(backend) == ["third"]


@pytest.mark.parametrize(("lease", "more"), [("m.2", 0), ("m.1", 1)])
async def test_another_lease_or_token_replaces_nothing(backend: Backend, lease: str, more: int) -> None:
    mine = await held(backend, value="first")
    assert token(await backend.proclaim("cron", lease, mine + more, "second", 1)) is None
    assert await values(backend) == ["first"]


async def test_a_lock_that_nobody_has_made_has_no_value_to_replace(backend: Backend) -> None:
    assert await backend.proclaim("cron", "m.1", 1, "value", 1) is None


async def test_a_new_value_grants_nobody(backend: Backend, later: Later) -> None:
    mine = await held(backend, ttl=5)
    await waits(backend, "n.1")
    await later(5)
    await backend.proclaim("cron", "m.1", mine, "late", 1)
    assert (await seen(backend))["holders"] == []
