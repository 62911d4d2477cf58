"""A mongod in a container."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ._node import ARGUMENTS, answers, free_port, run_command

START_SECONDS = 60.0
LOOK_EVERY = 0.1


class Container:
    """A mongod that testcontainers starts, on one port inside and outside.

    So a replica set can name its only node by an address at which the node finds itself, and clients find it.
    The reaper of testcontainers ends the container, however our own process ends.

    Args:
        image: the Docker image.
        args: further arguments for mongod.

    Attributes:
        address: ``host:port``; empty before the start.
    """

    # As of a `Node`: nobody stops it before ``close``.
    alive = True

    def __init__(self, image: str, args: Sequence[str] = ()) -> None:
        self.address = ""
        self._image = image
        self._args = args
        self._container: Any = None

    @property
    def uri(self) -> str:
        """Of this server alone, whatever set it is a member of."""
        return f"mongodb://{self.address}/?directConnection=true"

    async def start(self) -> None:
        """Start it, and wait until it serves.

        Raises:
            RuntimeError: it did not; with the end of its log.
        """
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - optional

        port = free_port()
        command = ["--port", str(port), *ARGUMENTS, *self._args]
        self._container = DockerContainer(self._image).with_command(command).with_bind_ports(port, port)
        await asyncio.to_thread(self._container.start)
        self.address = f"{self._container.get_container_host_ip()}:{port}"
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await answers(self.uri):
                    await asyncio.sleep(LOOK_EVERY)
        except TimeoutError as error:
            log = b"".join(await asyncio.to_thread(self._container.get_logs)).decode(errors="replace")
            tail = log.splitlines()[-20:]
            raise RuntimeError(
                "\n".join([f"{self._image} does not serve on {self.address}:", *tail])
            ) from error

    async def command(self, command: str | dict[str, Any]) -> dict[str, Any]:
        """Run a command on its admin database."""
        return await run_command(self.uri, command)

    async def close(self) -> None:
        """End it for good, with its data."""
        if self._container is not None:
            await asyncio.to_thread(self._container.stop)
