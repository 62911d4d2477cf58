"""Hosts of our own, each in a network namespace, on a network that can be cut."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import struct
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from .router import Weather

TUN = Path("/dev/net/tun")
TUNSETIFF = 0x400454CA
IFF_TUN_WITHOUT_HEADER = 0x0001 | 0x1000
# Fewer packets, less work for a router in Python.
MTU = 60_000
PREFIX = "10.213.0."
CONTROL = PREFIX + "254"


def unavailable() -> str | None:
    """Why there can be no network of our own on this machine; None: there can."""
    if os.geteuid() != 0:
        return "needs root"
    for tool in ("ip", "unshare", "nsenter"):
        if shutil.which(tool) is None:
            return f"needs {tool} (Debian: iproute2, util-linux)"
    return None if TUN.exists() else f"needs {TUN}"


class Host:
    """A network namespace with one address. It lives as long as this process does."""

    def __init__(self, number: int) -> None:
        self.address = f"{PREFIX}{number}"
        # Ends with its input, and so with us, however we end.
        wait = "import sys; print(flush=True); sys.stdin.read()"
        self._keeper = subprocess.Popen(
            ["unshare", "--net", "--", sys.executable, "-c", wait],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._keeper.stdout is not None
        self._keeper.stdout.readline()
        self.wrapper = ("nsenter", f"--net=/proc/{self._keeper.pid}/ns/net", "--")
        self.device = _device(f"host{number}", self._keeper.pid, self.wrapper, self.address)

    def close(self) -> None:
        """Let the namespace go."""
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        self._keeper.stdin.close()
        self._keeper.stdout.close()
        self._keeper.wait()
        os.close(self.device)


class Network:
    """Hosts with the addresses ``10.213.0.<number>``, and ourselves, at ``CONTROL``, whom nobody cuts off.

    Only for a process that stands in a network namespace of its own (``inside``).
    """

    def __init__(self, numbers: list[int]) -> None:
        self.hosts = {number: Host(number) for number in numbers}
        self._control = _device("control", None, (), CONTROL)
        devices = {host.device: host.address for host in self.hosts.values()} | {self._control: CONTROL}
        self._weather = Weather()
        self._router = subprocess.Popen(
            [sys.executable, "-m", "chaos.router", *(f"{fd}={address}" for fd, address in devices.items())],
            stdin=subprocess.PIPE,
            pass_fds=list(devices),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._router.stdin is not None
        self._router.stdin.close()
        self._router.wait()
        for host in self.hosts.values():
            host.close()
        os.close(self._control)

    def partition(self, one: list[Host], other: list[Host]) -> None:
        """Nothing passes between these two groups from now on."""
        pairs = [(here.address, there.address) for here in one for there in other]
        self._weather.cut = [*self._weather.cut, *pairs]
        self._tell()

    def slow(self, delay: float, jitter: float, loss: float) -> None:
        """Every packet takes so long (seconds), and some never arrive."""
        self._weather.delay, self._weather.jitter, self._weather.loss = delay, jitter, loss
        self._tell()

    def heal(self) -> None:
        """All is well again."""
        self._weather = Weather()
        self._tell()

    def _tell(self) -> None:
        assert self._router.stdin is not None
        self._router.stdin.write(json.dumps(asdict(self._weather)).encode() + b"\n")
        self._router.stdin.flush()


def inside() -> None:
    """Go on in a network namespace of our own: start this program again in one, unless it stands there."""
    if os.environ.get("CHAOS_INSIDE") == str(os.getpid()):
        return
    # exec keeps the process id, so that nothing that we start believes that it is inside, too.
    os.environ["CHAOS_INSIDE"] = str(os.getpid())
    os.execvp("unshare", ["unshare", "--net", "--", *sys.orig_argv])


def _device(name: str, namespace: int | None, wrapper: tuple[str, ...], address: str) -> int:
    """A TUN device with this address in the namespace of that process; the file that is its other end."""
    device = os.open(TUN, os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN_WITHOUT_HEADER))
    if namespace is not None:
        _ip("link", "set", name, "netns", str(namespace))
    for command in (
        ("link", "set", "lo", "up"),
        ("addr", "add", f"{address}/24", "dev", name),
        ("link", "set", name, "mtu", str(MTU), "up"),
    ):
        _ip(*command, wrapper=wrapper)
    return device


def _ip(*arguments: str, wrapper: tuple[str, ...] = ()) -> None:
    subprocess.run([*wrapper, "ip", *arguments], check=True)
