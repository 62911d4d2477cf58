"""Two things at the same moment, in every order that milliseconds, or turns of the loop, can give them."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from waiters import Pair, is_free, now, pair, turns, waiting

from mongolock_async import Lease, LockTimeoutError

pytestmark = pytest.mark.usefixtures("untraced")

# What a command, an answer or a call may take.
DELAYS = (0, 0.001, 0.002)
# More turns of the loop than anything takes that needs no time.
TURNS = 25
# A waiter is served within some milliseconds, also by polling; one that was overlooked waits for seconds.
SOON = 0.025
TIMEOUT = 0.020


async def gets(both: Pair, waiter: asyncio.Task[Lease]) -> bool:
    """Whether the waiter gets the lock, or else is too late; in either case it is free soon after."""
    try:
        lease = await waiter
        assert lease.held
        await lease.release()
        served = True
    except LockTimeoutError:
        served = False
    await asyncio.sleep(SOON)
    assert await is_free(both.here)
    return served


@pytest.mark.parametrize("hears", [True, False], ids=["calls", "polling"])
async def test_a_release_at_the_moment_of_an_arrival_leaves_nobody_waiting(*, hears: bool) -> None:
    late = DELAYS if hears else [0]
    for claim, answer, release, call in itertools.product(DELAYS, DELAYS, DELAYS, late):
        async with pair(hears=hears) as both:
            held = await both.here.acquire("cron")
            both.slow("claim", claim)
            both.slow("claim", answer, answer=True)
            both.slow("release", release)
            both.slow("call", call)
            began = now()
            waiter = waiting(both.there)
            await held.release()
            lease = await waiter
            assert now() - began < SOON, (claim, answer, release, call)
            await lease.release()
            assert await is_free(both.here)


@pytest.mark.parametrize("hears", [True, False], ids=["calls", "polling"])
async def test_a_release_in_any_turn_of_an_arrival_leaves_nobody_waiting(*, hears: bool) -> None:
    for turn in range(TURNS):
        async with pair(hears=hears) as both:
            held = await both.here.acquire("cron")
            began = now()
            waiter = waiting(both.there)
            await turns(turn)
            await held.release()
            lease = await waiter
            assert now() - began < SOON, turn
            await lease.release()
            assert await is_free(both.here)


@pytest.mark.parametrize("hears", [True, False], ids=["calls", "polling"])
@pytest.mark.parametrize("keep_alive", [True, False], ids=["confirmed", "asked"])
async def test_a_grant_at_the_moment_of_a_timeout_is_not_lost(*, keep_alive: bool, hears: bool) -> None:
    served: set[bool] = set()
    ways = itertools.product(DELAYS, DELAYS, (0, 0.002))
    for (way, answer, withdraw), early in itertools.product(ways, range(-2, 7)):
        async with pair(hears=hears) as both:
            held = await both.here.acquire("cron")
            both.slow("call", way)
            for action in ("confirm", "ask"):
                both.slow(action, way)
                both.slow(action, answer, answer=True)
            both.slow("withdraw", withdraw)
            waiter = waiting(both.there, keep_alive=keep_alive, timeout=TIMEOUT)
            await asyncio.sleep(TIMEOUT - early / 1000)
            await held.release()
            served.add(await gets(both, waiter))
    assert served == {True, False}


@pytest.mark.parametrize("keep_alive", [True, False], ids=["confirmed", "asked"])
async def test_a_grant_in_any_turn_of_a_timeout_is_not_lost(*, keep_alive: bool) -> None:
    served: set[bool] = set()
    for before, turn in itertools.product((TIMEOUT, TIMEOUT - 1e-6), range(TURNS)):
        async with pair(hears=True) as both:
            held = await both.here.acquire("cron")
            waiter = waiting(both.there, keep_alive=keep_alive, timeout=TIMEOUT)
            await asyncio.sleep(before)
            await turns(turn)
            await held.release()
            served.add(await gets(both, waiter))
    assert served == {True, False}
