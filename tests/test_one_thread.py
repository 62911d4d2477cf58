"""What the loop of all tests with a server sees."""

from __future__ import annotations

import asyncio

import pytest


@pytest.mark.parametrize("how", ["a step", "a timer", "a result"])
async def test_what_another_thread_asks_of_a_loop_is_refused(how: str) -> None:
    loop, future = asyncio.get_running_loop(), asyncio.Future[None]()
    future.add_done_callback(print)
    asks = {
        "a step": lambda: loop.call_soon(print),
        "a timer": lambda: loop.call_later(0, print),
        "a result": lambda: future.set_result(None),
    }
    with pytest.raises(RuntimeError, match="another thread"):
        await asyncio.to_thread(asks[how])


async def test_what_it_asks_by_call_soon_threadsafe_is_done() -> None:
    loop, future = asyncio.get_running_loop(), asyncio.Future[None]()
    await asyncio.to_thread(loop.call_soon_threadsafe, future.set_result, None)
    await future
