"""``mongolock`` as a process, for tests."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[1]
# Ignores TERM, as its child does; says which group it is.
STUBBORN = 'trap "" TERM HUP; sleep 600 & echo $$; sleep 600; sleep 600'
# Says whether a process of group $1 is left.
LEFT = "kill -0 -- -$0 2>/dev/null && echo left || echo none"

Start = Callable[..., subprocess.Popen[str]]


def environment(uri: str) -> dict[str, str]:
    """What the program needs."""
    return os.environ | {"MONGODB_URI": uri, "PYTHONPATH": str(ROOT)}


def started(uri: str, *words: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    """It runs."""
    return subprocess.Popen(
        [sys.executable, "-m", "mongolock_async", *words],
        env=environment(uri),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def handed_over(how: str, *words: str) -> tuple[str, int]:
    """What it prints, and its exit code; see ``programs/handed_over.py``."""
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "programs" / "handed_over.py", how, *words],
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.stdout.strip(), done.returncode


def line(process: subprocess.Popen[str]) -> str:
    """The next one that it prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def ended(process: subprocess.Popen[str]) -> None:
    """It is; whatever it has left behind may still write to its pipes."""
    process.kill()
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


async def begun(uri: str, *words: str) -> asyncio.subprocess.Process:
    """The same, for a test that awaits."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "mongolock_async",
        *words,
        env=environment(uri),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def is_left(group: int) -> bool:
    """Whether a process of that group is there."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


class Way:
    """To a server; it may be cut: then nothing arrives, and nobody is told.

    Attributes:
        uri: the server by this way.
    """

    def __init__(self, uri: str) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._uri = uri
        self.uri = ""

    def cut(self) -> None:
        """From now on."""
        self._open.clear()

    def mend(self) -> None:
        """What was held up arrives."""
        self._open.set()

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[Way]:
        """It is there during the block."""
        carrying: set[asyncio.Task[None]] = set()

        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            carrying.add(task)
            with suppress(asyncio.CancelledError):
                await self._carry(reader, writer)

        server = await asyncio.start_server(carry, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.uri = self._uri.replace(urlsplit(self._uri).netloc, f"127.0.0.1:{port}")
        try:
            yield self
        finally:
            server.close()
            for task in carrying:
                task.cancel()
            await asyncio.gather(*carrying)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*urlsplit(self._uri).netloc.split(":"))
        try:
            await asyncio.gather(self._pass_on(reader, back), self._pass_on(there, writer))
        finally:
            writer.close()
            back.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
            writer.close()
