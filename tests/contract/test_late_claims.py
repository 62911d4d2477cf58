"""A copy of a claim that arrives after its lease is over: no former grant of the same id stands by it."""

from __future__ import annotations

import pytest
from contract.shared import Later, held, holders, queue, request, seen, token, waits

from mongolock_async._engine.backend import Backend

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def was_handed(backend: Backend) -> int:
    """m.1 waited for the lock, and has it; its token."""
    await held(backend, "h.1")
    await waits(backend, "m.1")
    await backend.release("cron", "h.1")
    return (await seen(backend))["token"]


async def copy_arrives(backend: Backend) -> None:
    """Of the claim of m.1."""
    await backend.claim(request("m.1"), "m.1", first=30)


async def test_a_holding_is_not_confirmed_by_a_place_of_the_same_id(backend: Backend, later: Later) -> None:
    former = await was_handed(backend)
    await later(30)
    await held(backend, "n.1", owner="other")
    await copy_arrives(backend)
    assert await queue(backend) == ["m.1"]
    assert await backend.renew({"cron": ("m.1", former)}, 5) == set()
    reply = await backend.prolong("cron", "m.1", former)
    assert reply is not None
    assert (reply.grant, reply.place, [one["owner"] for one in reply.holders]) == (None, None, ["other"])
    assert (await backend.release("cron", "m.1", token=former))[0] is False
    assert (await holders(backend), await queue(backend)) == (["other"], [])


@pytest.mark.parametrize("end", ["expired", "forced", "handed over"])
async def test_a_holding_is_not_confirmed_by_another_grant_of_the_same_id(
    backend: Backend, later: Later, end: str
) -> None:
    former = await was_handed(backend)
    if end == "expired":
        await later(30)
    else:
        await backend.force("cron")
    await held(backend, "n.1", owner="other")
    await copy_arrives(backend)
    await backend.release("cron", "n.1")
    assert await holders(backend) == ["m.1"]
    assert await backend.renew({"cron": ("m.1", former)}, 5) == set()
    assert token(await backend.prolong("cron", "m.1", former)) is None
    if end == "handed over":
        was_held, _ = await backend.hand_over("cron", "m.1", former, request("next"), "m.2", 10)
        assert was_held is False
        assert await holders(backend) == ["next"]
        return
    # Nobody has that grant: it is taken out, and it was not the lease that was to be released.
    assert (await backend.release("cron", "m.1", token=former))[0] is False
    assert await holders(backend) == []


async def test_what_was_released_is_told_by_its_token(backend: Backend) -> None:
    mine = await held(backend)
    assert (await backend.release("cron", "m.1", token=mine))[0] is True
    mine = await held(backend)
    assert (await backend.release("cron", "m.1"))[0] is True
    mine = await held(backend, "m.2")
    assert (await backend.release("cron", "m.2", token=mine + 1))[0] is False
    assert await holders(backend) == []
