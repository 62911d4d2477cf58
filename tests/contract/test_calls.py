"""Who is called when a lock is granted, and what a call is worth, by every backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from contract.shared import Later, held, holders, queue, request, seen, token, waits
from support import until

from mongolock_async._engine.backend import Backend, Call, Ear
from mongolock_async._protocol.request import NO_TICK

pytestmark = pytest.mark.asyncio(loop_scope="module")

GRANTING: dict[str, Callable[[Backend], Awaitable[object]]] = {
    "a release": lambda backend: backend.release("cron", "h.1"),
    "a release for a waiter of its own": lambda backend: backend.release("cron", "h.1", (), "h.2"),
    "a withdrawal": lambda backend: backend.withdraw("cron", "h.1"),
    "force": lambda backend: backend.force("cron"),
}
# What serves those who wait, once the holder is dead.
AFTER_DEATH: dict[str, Callable[[Backend], Awaitable[object]]] = {
    "a claim": lambda backend: backend.claim(request(), "o.1"),
    "a claim that waits": lambda backend: backend.claim(request(), "o.1", first=10),
    "the claim of a boundary": lambda backend: backend.claim(request().ticking(NO_TICK), "o.1"),
    "a question of another": lambda backend: backend.ask("cron", "o.1"),
    "the making of the lock": lambda backend: backend.create("cron"),
}


class Hearing:
    """What one member hears."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.ear: Ear

    async def heard(self, count: int = 1) -> list[tuple[str, str]]:
        """Name and lease of the calls, once there are so many."""
        await until(lambda: asyncio.sleep(0, len(self.calls) >= count))
        return [(call.name, call.lease) for call in self.calls]


@asynccontextmanager
async def listening(backend: Backend, member: str = "m") -> AsyncIterator[Hearing]:
    """Have the member listen during the block."""
    hearing = Hearing()
    hearing.ear = backend.ear(member, hearing.calls.append, lambda: None)
    with hearing.ear.wanted():
        yield hearing
    await hearing.ear.aclose()


@pytest.fixture(params=["here", "elsewhere"])
def there(request: pytest.FixtureRequest, backend: Backend, elsewhere: Backend) -> Backend:
    """Where it is waited: in the process of the holder, or in another."""
    return backend if request.param == "here" else elsewhere


@pytest.mark.parametrize("action", GRANTING)
async def test_the_first_who_waits_is_called_by(backend: Backend, there: Backend, action: str) -> None:
    await held(backend, "h.1")
    async with listening(there) as hearing:
        await waits(there, "m.1", "m.2")
        await GRANTING[action](backend)
        assert await hearing.heard() == [("cron", "m.1")]
        assert (await holders(backend), await queue(backend)) == (["m.1"], ["m.2"])


@pytest.mark.parametrize("action", AFTER_DEATH)
async def test_who_gets_a_dead_holders_lock_is_called_by(
    backend: Backend, elsewhere: Backend, later: Later, action: str
) -> None:
    await held(backend, "h.1", ttl=5)
    async with listening(elsewhere) as hearing:
        await waits(elsewhere, "m.1")
        await later(5)
        await AFTER_DEATH[action](backend)
        assert await hearing.heard() == [("cron", "m.1")]


async def test_what_was_called_is_confirmed(backend: Backend, there: Backend) -> None:
    await held(backend, "h.1")
    async with listening(there) as hearing:
        await waits(there, "m.1")
        await backend.release("cron", "h.1")
        await hearing.heard()
        (call,) = hearing.calls
        reply = await there.confirm(call.name, call.lease, call.after)
        assert token(reply) == (await seen(backend))["token"]


async def test_a_call_that_is_not_true_any_more_is_not_confirmed(backend: Backend, there: Backend) -> None:
    await held(backend, "h.1")
    async with listening(there) as hearing:
        await waits(there, "m.1")
        await backend.release("cron", "h.1")
        await hearing.heard()
        await backend.force("cron")
        (call,) = hearing.calls
        reply = await there.confirm(call.name, call.lease, call.after)
        assert reply is not None
        assert (reply.grant, reply.place) == (None, None)


async def test_one_that_hears_of_its_grant_by_the_answer_is_not_called(
    backend: Backend, later: Later
) -> None:
    async with listening(backend) as hearing:
        await held(backend, "m.1", ttl=5)
        await waits(backend, "m.2")
        await later(5)
        assert token(await backend.ask("cron", "m.2"))
        await waits(backend, "m.3")
        assert token((await backend.release("cron", "m.2", (), "m.3"))[1])
        await waits(backend, "m.4")
        await backend.release("cron", "m.3")
        assert await hearing.heard() == [("cron", "m.4")]


async def test_a_member_hears_of_its_own_places_only(backend: Backend, there: Backend) -> None:
    await held(backend, "h.1")
    async with listening(there) as hearing, listening(there, "mm") as other, listening(backend, "o") as here:
        await waits(backend, "o.1")
        await waits(there, "mm.1", "m.1")
        for lease in ("h.1", "o.1", "mm.1"):
            await backend.release("cron", lease)
        assert await hearing.heard() == [("cron", "m.1")]
        assert await other.heard() == [("cron", "mm.1")]
        assert await here.heard() == [("cron", "o.1")]


async def test_a_member_hears_of_all_its_locks_in_the_order_of_the_grants(
    backend: Backend, there: Backend
) -> None:
    names = ["a", "b", "c"]
    async with listening(there) as hearing:
        for name in names:
            await held(backend, "h.1", name=name)
            await waits(there, f"m.{name}", name=name)
        for name in reversed(names):
            await backend.release(name, "h.1")
        assert await hearing.heard(3) == [(name, f"m.{name}") for name in reversed(names)]


async def test_those_who_are_granted_at_a_time_are_all_called(backend: Backend, elsewhere: Backend) -> None:
    await held(backend, "h.1", weight=3, capacity=3)
    async with listening(elsewhere) as hearing, listening(backend, "n") as here:
        await waits(backend, "n.1", capacity=3)
        await waits(elsewhere, "m.1", "m.2", capacity=3)
        await backend.release("cron", "h.1")
        assert await hearing.heard(2) == [("cron", "m.1"), ("cron", "m.2")]
        assert await here.heard() == [("cron", "n.1")]


async def test_a_repetition_calls_nobody_again(backend: Backend, elsewhere: Backend) -> None:
    await held(backend, "h.1")
    async with listening(elsewhere) as hearing:
        await waits(elsewhere, "m.1", "m.2")
        for lease in ("h.1", "h.1", "none", "m.1"):
            await backend.release("cron", lease)
        assert await hearing.heard(2) == [("cron", "m.1"), ("cron", "m.2")]


async def test_one_who_listens_again_is_called_again(backend: Backend, there: Backend) -> None:
    await held(backend, "h.1")
    async with listening(there):
        pass
    async with listening(there) as hearing:
        await waits(there, "m.1")
        await backend.release("cron", "h.1")
        assert await hearing.heard() == [("cron", "m.1")]


async def test_nobody_has_to_listen(backend: Backend, there: Backend) -> None:
    await held(backend, "h.1")
    await waits(there, "m.1")
    assert (await backend.release("cron", "h.1"))[0] is True
    assert await holders(backend) == ["m.1"]


async def test_an_ear_says_how_its_member_hears(backend: Backend) -> None:
    async with listening(backend) as hearing:
        assert (hearing.ear.deaf, hearing.ear.mode) == (False, "calls")
    ear = backend.ear("other", hearing.calls.append, lambda: None)
    assert (ear.deaf, ear.mode) == (False, None)
    await ear.aclose()
