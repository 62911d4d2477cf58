"""A mongod that all terminals of this user share.

Each terminal holds ``users.lock`` shared for as long as it lives, which the kernel ends however the
terminal does. A keeper process of its own (``_keeper``) owns the server, and stops it once it can have
``users.lock`` for itself. ``start.lock`` lets one terminal at a time look, and start what is missing.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO

from ._errors import NoServerError
from ._terminal import DIM, say

LOOK_EVERY = 0.05


@asynccontextmanager
async def server(binary: Path) -> AsyncIterator[tuple[str, Path]]:
    """Start it, or join those who use it already: its URI, and where its files are."""
    directory = state_directory()
    directory.mkdir(parents=True, exist_ok=True)
    with _file(directory, "users.lock") as users:
        with _file(directory, "start.lock") as start:
            await _lock(start, fcntl.LOCK_EX)
            await _lock(users, fcntl.LOCK_SH)  # waits while a keeper that found nobody is stopping
            if try_lock(directory, "keeper.lock"):
                say("No server on localhost:27017: starting one", DIM)
                await _start_keeper(binary, directory)
        yield (directory / "uri").read_text(), directory


def state_directory() -> Path:
    """``~/.local/state/mongolock-demo``, or where XDG_STATE_HOME says."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "mongolock-demo"


def try_lock(directory: Path, name: str) -> bool:
    """Whether nobody holds the lock; it is let go again."""
    with _file(directory, name) as file:
        return flock(file, fcntl.LOCK_EX)


def flock(file: IO[str], kind: int) -> bool:
    """Take the lock if it is free; closing the file frees it."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _lock(file: IO[str], kind: int) -> None:
    while not flock(file, kind):
        await asyncio.sleep(LOOK_EVERY)


@contextmanager
def _file(directory: Path, name: str) -> Iterator[IO[str]]:
    with (directory / name).open("w") as file:
        yield file


async def _start_keeper(binary: Path, directory: Path) -> None:
    keeper = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "demo._keeper", str(binary), str(directory)],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # neither Ctrl-C nor the end of this terminal is for the keeper
    )
    assert keeper.stdout is not None
    with keeper.stdout:
        answer = await asyncio.to_thread(keeper.stdout.read)
    keeper.returncode = 0  # it is nobody's child to wait for from here on
    if answer != "ready\n":
        raise NoServerError(
            f"the embedded mongod does not start; {directory}/mongod.log may say why\n{answer}"
        )
