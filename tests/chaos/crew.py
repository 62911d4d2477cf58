"""The worker processes, on their hosts."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .network import Host
from .work import PATIENCE
from .worker import DRIVERS

GOODBYE = PATIENCE + 15


class Crew:
    """So many workers, half of them on either driver, spread over the hosts.

    Args:
        hosts: where they run.
        uri: the servers.
        folder: for what they write.
        arguments: more for each of them.
        prefix: a command that starts each of them in a place of its own.
    """

    def __init__(
        self,
        hosts: Sequence[Host],
        size: int,
        uri: str,
        folder: Path,
        arguments: Sequence[str] = (),
        prefix: Sequence[str] = (),
    ) -> None:
        self.hosts = list(hosts)
        self.size = size
        self.files: list[Path] = []
        self._uri = uri
        self._folder = folder
        self._arguments = arguments
        self._prefix = prefix
        self._paths: dict[int, Path] = {}
        self._processes = [self._start(number) for number in range(size)]

    def signal(self, number: int, which: signal.Signals) -> None:
        """Send a signal to one, unless it has only just been started."""
        if self._at_work(number):
            self._processes[number].send_signal(which)

    async def replace(self, number: int) -> None:
        """SIGKILL one, and put another in its place."""
        process = self._processes[number]
        process.kill()
        await asyncio.to_thread(process.wait)
        self._processes[number] = self._start(number)

    async def ready(self) -> None:
        """Wait until all of them are at work."""
        while not all(map(self._at_work, range(self.size))):
            await asyncio.sleep(0.1)

    async def finish(self) -> list[int]:
        """Have all of them come to an end; their exit codes."""
        await self.ready()
        for process in self._processes:
            process.terminate()
        return list(await asyncio.gather(*(self._ended(process) for process in self._processes)))

    def close(self) -> None:
        """End those that are left."""
        for process in self._processes:
            process.kill()
            process.wait()

    @property
    def complaints(self) -> str:
        """What they said on standard error."""
        return "".join(path.with_suffix(".err").read_text(errors="replace") for path in self.files)

    def _at_work(self, number: int) -> bool:
        return self._paths[number].stat().st_size > 0

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        path = self._folder / f"{len(self.files)}.jsonl"
        self.files.append(path)
        host = self.hosts[number % len(self.hosts)]
        driver = DRIVERS[number // len(self.hosts) % len(DRIVERS)]
        arguments = [
            "--driver",
            driver,
            "--uri",
            self._uri,
            "--file",
            str(path),
            "--owner",
            f"{path.stem}-{driver}",
        ]
        path.touch()
        self._paths[number] = path
        with path.with_suffix(".err").open("wb") as complaints:
            return subprocess.Popen(
                [
                    *host.wrapper,
                    *self._prefix,
                    sys.executable,
                    "-m",
                    "chaos.worker",
                    *arguments,
                    *self._arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=complaints,
                stderr=complaints,
            )

    @staticmethod
    async def _ended(process: subprocess.Popen[bytes]) -> int:
        async with asyncio.timeout(GOODBYE):
            return await asyncio.to_thread(process.wait)
