"""The processes of a benchmark, and the servers beside MongoDB."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

READY_SECONDS = 30


class Worker:
    """A process that is told what to do."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def tell(self, command: str) -> None:
        """Send a command; its answer comes when it is done."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n".encode())
        await self._process.stdin.drain()

    async def answer(self) -> Any:  # noqa: ANN401 - what the command returns
        """The answer to the last command."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("a process of the benchmark has ended; its error stands above")
        return json.loads(line)

    async def do(self, command: str) -> Any:  # noqa: ANN401 - what the command returns
        """Send a command, and wait for its answer."""
        await self.tell(command)
        return await self.answer()


@asynccontextmanager
async def workers(count: int, kind: str, uri: str) -> AsyncIterator[list[Worker]]:
    """So many processes of one contender."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(_worker(kind, uri)) for _ in range(count)]


@asynccontextmanager
async def _worker(kind: str, uri: str) -> AsyncIterator[Worker]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks._worker", kind, uri, stdin=pipe, stdout=pipe
    )
    try:
        worker = Worker(process)
        async with asyncio.timeout(READY_SECONDS):
            await worker.answer()
        yield worker
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


@asynccontextmanager
async def redis_server() -> AsyncIterator[str]:
    """A Redis in memory, on a free port of loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = asyncio.subprocess.DEVNULL
    arguments = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    process = await asyncio.create_subprocess_exec("redis-server", *arguments, stdout=quiet, stderr=quiet)
    try:
        await asyncio.sleep(0.5)
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()
