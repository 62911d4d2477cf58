"""One process of a benchmark: does what its standard input says, a line at a time, and answers in JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from ._contenders import CONTENDERS, Contender


async def main() -> None:
    """``python -m benchmarks._worker KIND URI``: one contender, one lock."""
    kind, uri = sys.argv[1:]
    contender = CONTENDERS[kind](uri)
    await contender.open()
    commands: dict[str, Callable[..., Awaitable[Any]]] = {
        "acquire": lambda: _until(contender.acquire()),
        "release": lambda: _since(contender.release()),
        "hear": lambda: _until(contender.hear()),
        "write": lambda: _since(contender.write()),
        "cycle": lambda: _cycle(contender),
        "loop": lambda seconds: _loop(contender, float(seconds)),
    }
    loop = asyncio.get_running_loop()
    print(json.dumps("ready"), flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command, *arguments = line.split()
        print(json.dumps(await commands[command](*arguments)), flush=True)
    await contender.close()


async def _until(work: Awaitable[Any]) -> int:
    """When it was done, in ns of the clock that all processes of a machine share."""
    await work
    return time.monotonic_ns()


async def _since(work: Awaitable[Any]) -> int:
    began = time.monotonic_ns()
    await work
    return began


async def _cycle(contender: Contender) -> int:
    began = time.monotonic_ns()
    await contender.acquire()
    await contender.release()
    return time.monotonic_ns() - began


async def _loop(contender: Contender, seconds: float) -> int:
    """How often it had the lock."""
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        await contender.acquire()
        count += 1
        await contender.release()
    return count


if __name__ == "__main__":
    asyncio.run(main())
