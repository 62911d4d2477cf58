"""How a boundary is claimed, by every backend."""

from __future__ import annotations

from typing import Any

import pytest
from bson.codec_options import CodecOptions
from contract.shared import TTL, Later, held, holders, lives, request, seen, token

from mongolock_async._engine.backend import Backend
from mongolock_async._protocol.reply import Reply
from mongolock_async._protocol.request import NEVER_MS, NO_TICK, TickRequest
from mongolock_async.testing import MemoryLocks

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY = 86_400
DAY_MS = DAY * 1000


async def now(backend: Backend) -> int:
    """What the server's clock shows."""
    return (await backend.claim(request().ticking(NO_TICK), "time")).tick.now_ms


async def midnight(backend: Backend) -> int:
    """The last one."""
    time = await now(backend)
    return time - time % DAY_MS


async def expiry(store: Any) -> int:
    """When the document may go, in milliseconds."""
    if isinstance(store, MemoryLocks):
        return store._store.documents["cron"].expires_at or 0
    found = await store.with_options(CodecOptions(tz_aware=True)).find_one({"_id": "cron"})
    return int(found["expires_at"].timestamp()) * 1000


async def claim(
    backend: Backend,
    lease: str,
    *,
    due: int | None = None,
    until: int | None = None,
    period: int | None = None,
    ttl: float = TTL,
) -> Reply:
    """Claim a boundary: that of this day, unless it says otherwise, for as long as it lasts."""
    due_ms = await midnight(backend) if due is None else due
    until_ms = due_ms + DAY_MS if until is None else until
    tick = TickRequest(due_ms, until_ms, DAY_MS, period)
    return await backend.claim(request(lease, ttl=ttl).ticking(tick), lease)


async def test_a_boundary_is_granted_to_the_first(backend: Backend) -> None:
    due = await midnight(backend)
    reply = await claim(backend, "m.1", due=due)
    assert token(reply)
    assert lives((await seen(backend))["holders"]) == [("m.1", 1, TTL)]
    assert reply.tick.last_ms == due
    assert due <= reply.tick.now_ms < due + DAY_MS


async def test_who_asks_for_the_time_is_told_what_was_served_and_gets_nothing(backend: Backend) -> None:
    for last in (0, await midnight(backend)):
        reply = await backend.claim(request().ticking(NO_TICK), "m.1")
        assert (reply.grant, reply.place, reply.holders, reply.tick.last_ms) == (None, None, [], last)
        await claim(backend, "m.2")
        await backend.release("cron", "m.2")


async def test_a_boundary_that_is_served_is_not_granted_again(backend: Backend) -> None:
    due = await midnight(backend)
    await claim(backend, "m.1", due=due)
    for lease in ("n.1", "n.2"):
        reply = await claim(backend, lease, due=due)
        assert (reply.grant, reply.place, reply.tick.last_ms) == (None, None, due)
        await backend.release("cron", "m.1")
    assert reply.holders == []


async def test_a_boundary_before_one_that_is_served_is_not_granted(backend: Backend) -> None:
    due = await midnight(backend)
    await claim(backend, "m.1", due=due)
    await backend.release("cron", "m.1")
    reply = await claim(backend, "n.1", due=due - 1, until=due + DAY_MS)
    assert (reply.grant, reply.tick.last_ms) == (None, due)


async def test_the_next_boundary_is_granted_again(backend: Backend, later: Later) -> None:
    first = token(await claim(backend, "m.1")) or 0
    await later(DAY)
    reply = await claim(backend, "n.1")
    assert (token(reply) or 0) > first


async def test_a_boundary_that_has_not_come_is_not_granted(backend: Backend) -> None:
    due = await midnight(backend) + DAY_MS
    reply = await claim(backend, "m.1", due=due)
    assert (reply.grant, reply.holders, reply.tick.last_ms) == (None, [], 0)


async def test_a_boundary_that_is_over_is_not_granted(backend: Backend) -> None:
    due = await midnight(backend)
    for until in (due, await now(backend)):
        reply = await claim(backend, "m.1", due=due, until=until)
        assert (reply.grant, reply.holders, reply.tick.last_ms) == (None, [], 0)
    assert token(await claim(backend, "m.2", due=due))


async def test_a_document_is_kept_for_as_long_as_its_boundary_is_to_be_remembered(
    backend: Backend, store: Any
) -> None:
    due = await midnight(backend)
    year = 365 * DAY_MS
    await backend.claim(request().ticking(TickRequest(due, due + DAY_MS, year)), "m.1")
    await backend.release("cron", "m.1")
    await claim(backend, "n.1", due=due)
    assert await expiry(store) == due + year


async def test_of_boundaries_that_come_in_periods_the_one_that_lasts_is_granted(backend: Backend) -> None:
    today = await midnight(backend)
    reply = await claim(backend, "m.1", due=today - 7 * DAY_MS, until=NEVER_MS, period=DAY_MS)
    assert token(reply)
    assert reply.tick.last_ms == today
    await backend.release("cron", "m.1")
    assert (await claim(backend, "n.1", due=today - DAY_MS, until=NEVER_MS, period=DAY_MS)).grant is None


async def test_of_boundaries_that_come_in_periods_none_before_the_first_is_granted(backend: Backend) -> None:
    tomorrow = await midnight(backend) + DAY_MS
    for due in (tomorrow, tomorrow + DAY_MS):
        reply = await claim(backend, "m.1", due=due, until=NEVER_MS, period=DAY_MS)
        assert (reply.grant, reply.tick.last_ms) == (None, 0)


async def test_who_is_late_with_a_former_boundary_is_in_the_way_until_he_is_dead(
    backend: Backend, later: Later
) -> None:
    await claim(backend, "late", ttl=DAY + 60)
    await later(DAY)
    reply = await claim(backend, "n.1")
    assert (reply.grant, reply.place) == (None, None)
    assert reply.tick.last_ms < await midnight(backend)
    assert lives(reply.holders) == [("late", 1, DAY + 60)]
    await later(60)
    assert token(await claim(backend, "n.2"))


async def test_a_repeated_claim_of_a_boundary_is_granted_the_same_once(backend: Backend) -> None:
    first = await claim(backend, "m.1")
    again = await claim(backend, "m.1")
    assert token(again) == token(first)
    assert again.tick.last_ms == first.tick.last_ms


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
    assert (reply.grant, reply.holders, reply.tick.last_ms) == (None, [], await midnight(backend))


async def test_one_who_holds_the_lock_is_in_the_way_of_a_boundary(backend: Backend) -> None:
    await held(backend, owner="me")
    reply = await claim(backend, "n.1")
    assert (reply.grant, reply.tick.last_ms) == (None, 0)
    assert await holders(backend) == ["me"]


async def test_a_boundary_of_a_lock_with_more_capacity_is_not_granted(backend: Backend) -> None:
    await held(backend, capacity=2)
    reply = await claim(backend, "n.1")
    assert (reply.grant, reply.capacity, reply.tick.last_ms) == (None, 2, 0)


async def test_an_ordinary_claim_does_not_touch_the_boundary(backend: Backend) -> None:
    await claim(backend, "m.1")
    await backend.release("cron", "m.1")
    await held(backend, "m.2")
    await backend.release("cron", "m.2")
    assert (await claim(backend, "n.1")).tick.last_ms == await midnight(backend)
