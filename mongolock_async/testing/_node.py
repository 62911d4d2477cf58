"""One mongod process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from . import _guardian

START_SECONDS = 60.0
LOOK_EVERY = 0.05
PORT_TRIES = 3
# For tests: a small cache, failpoints, and no diagnostics.
ARGUMENTS = (
    *("--wiredTigerCacheSizeGB", "0.25"),
    *("--setParameter", "enableTestCommands=1"),
    *("--setParameter", "diagnosticDataCollectionEnabled=false"),
)


class Node:
    """A mongod on a loopback port that was free, with temporary data of its own.

    A guardian process ends it and removes its files, however our own process ends.

    Args:
        binary: the mongod.
        args: further arguments for it.
        host: the address that it binds and is reached at.
        wrapper: a command that starts the mongod in its own place, for instance in another network
            namespace; its arguments follow.

    Attributes:
        port: its port; 0 before the start.
        pid: its process id; 0 before the start.
    """

    def __init__(
        self, binary: Path, args: Sequence[str] = (), *, host: str = "127.0.0.1", wrapper: Sequence[str] = ()
    ) -> None:
        self.port = 0
        self.pid = 0
        self._binary = binary
        self._args = args
        self._host = host
        self._wrapper = wrapper
        self._directory = Path(os.devnull)
        self._guardian: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{self._host}:{self.port}"

    @property
    def uri(self) -> str:
        """Of this node alone, whatever set it is a member of."""
        return f"mongodb://{self.address}/?directConnection=true"

    @property
    def alive(self) -> bool:
        """Whether the process is there, stopped or not."""
        if not self.pid:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    async def start(self) -> None:
        """Start it on a free port, and wait until it serves.

        Raises:
            RuntimeError: it did not; with the end of the server's log.
        """
        for left in reversed(range(PORT_TRIES)):
            self.port = free_port()
            self._adopt()
            try:
                await self.restart()
            except BaseException as error:
                await self.close()
                if left and "Address already in use" in str(error):
                    continue
                raise
            return

    async def restart(self) -> None:
        """Start it again, on its port and with its data; a process that still runs is killed first."""
        await self.kill()
        assert self._guardian is not None, "start() comes first"
        assert self._guardian.stdin is not None
        assert self._guardian.stdout is not None
        self._guardian.stdin.write(b"s")
        self._guardian.stdin.flush()
        self.pid = int(await asyncio.to_thread(self._guardian.stdout.readline))
        await self._serving()

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone; the data stay."""
        self._signal(signal.SIGKILL)
        while self.alive:
            await asyncio.sleep(LOOK_EVERY)

    def stop(self) -> None:
        """SIGSTOP: it holds its connections, and answers nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT: it goes on after ``stop``."""
        self._signal(signal.SIGCONT)

    async def command(self, command: str | dict[str, Any], **options: Any) -> dict[str, Any]:  # noqa: ANN401 - as the driver's
        """Run a command on this node's admin database."""
        return await run_command(self.uri, command, **options)

    async def close(self) -> None:
        """End it for good, and remove its files."""
        if self._guardian is None:
            return
        guardian, self._guardian = self._guardian, None
        assert guardian.stdin is not None
        assert guardian.stdout is not None
        guardian.stdin.close()
        await asyncio.to_thread(guardian.wait)
        guardian.stdout.close()

    def _adopt(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="mongolock-"))
        command = [
            *(*self._wrapper, str(self._binary)),
            *("--dbpath", str(self._directory), "--logpath", str(self._log)),
            *("--port", str(self.port), "--bind_ip", self._host, "--nounixsocket"),
            *ARGUMENTS,
            *self._args,
        ]
        self._guardian = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-I", _guardian.__file__, str(self._directory), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the tests; the guardian sees their end
        )

    @property
    def _log(self) -> Path:
        return self._directory / "mongod.log"

    async def _serving(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                while self.alive:
                    if await self._answers():
                        return
                    await asyncio.sleep(LOOK_EVERY)
        tail = (
            self._log.read_text(errors="replace").splitlines()[-20:] if self._log.exists() else ["(no log)"]
        )
        raise RuntimeError("\n".join([f"{self._binary} does not serve on {self.address}:", *tail]))

    async def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            with socket.create_connection((self._host, self.port), timeout=1):
                pass
            return await answers(self.uri)
        return False

    def _signal(self, number: signal.Signals) -> None:
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


async def run_command(uri: str, command: str | dict[str, Any], **options: Any) -> dict[str, Any]:  # noqa: ANN401 - as the driver's
    """Run a command on the admin database of the server there."""
    async with AsyncMongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=2000) as client:
        return await client.admin.command(command, **options)


async def answers(uri: str) -> bool:
    """Whether the server there serves."""
    with contextlib.suppress(PyMongoError):
        await run_command(uri, "ping")
        return True
    return False


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
