"""``mongolock ls`` and ``watch`` as processes: pipes, and a terminal that is afterwards as it was before."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from mongolock_async import LockRepository
from mongolock_async.testing import Mongod

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys; from mongolock_async._cli import main; sys.exit(main())"
# The same, and its second frame cannot be drawn.
BROKEN = """
from mongolock_async._cli import watching
frames = [watching.frame]
watching.frame = lambda *arguments: frames.pop()(*arguments)
"""
WITHOUT_RICH = "import sys; sys.modules['rich'] = None;"
CURE = "mongolock: this needs the extra cli: pip install 'mongolock-async[cli]'\n"
# How a program takes the screen and the cursor, and gives them back.
TAKEN, GIVEN_BACK = b"\x1b[?1049h", b"\x1b[?1049l"
HIDDEN, VISIBLE = b"\x1b[?25l", b"\x1b[?25h"


@pytest.fixture
async def environment(standalone: Mongod) -> AsyncIterator[dict[str, str]]:
    """A server, and a lock that is held."""
    name = f"test_{uuid.uuid4().hex}"
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(standalone.uri)
    async with client, LockRepository(client[name]["locks"], retention=None) as locks:
        await locks.acquire("nightly-report", ttl=3600)
        where = {"MONGODB_URI": standalone.uri, "WHERE": f"{name}.locks", "PYTHONPATH": str(ROOT)}
        yield {**os.environ, **where, "TERM": "xterm"}
        await client.drop_database(name)


def command(environment: dict[str, str], *words: str, before: str = "") -> list[str]:
    return [sys.executable, "-c", before + PROGRAM, "--collection", environment["WHERE"], *words]


class Terminal:
    """A terminal of 80 columns, and the program that runs in it."""

    def __init__(self, environment: dict[str, str], *words: str, before: str = "") -> None:
        self._master, self._slave = os.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.shown = b""
        self.settings_before = termios.tcgetattr(self._slave)
        self._program = subprocess.Popen(
            command(environment, *words, before=before),
            env=environment,
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
            preexec_fn=self._take,  # noqa: PLW1509 - it is the only way to a controlling terminal
        )

    @property
    def settings(self) -> list[object]:
        """As ``stty -a`` shows them."""
        return termios.tcgetattr(self._slave)

    def read_until(self, text: bytes) -> None:
        """Read what is shown, until this is."""
        end = time.monotonic() + 30
        while text not in self.shown:
            assert time.monotonic() < end, self.shown
            if select.select([self._master], [], [], 0.1)[0]:
                self.shown += os.read(self._master, 65_536)

    def press(self, keys: bytes) -> None:
        """As somebody who sits there."""
        os.write(self._master, keys)

    def send(self, number: int) -> None:
        """A signal to the program."""
        self._program.send_signal(number)

    def exit_code(self) -> int:
        """Wait until the program ends."""
        code = self._program.wait(timeout=30)
        while select.select([self._master], [], [], 0)[0]:
            self.shown += os.read(self._master, 65_536)
        return code

    def close(self) -> None:
        """Whatever has happened."""
        self._program.kill()
        self._program.wait()
        os.close(self._master)
        os.close(self._slave)

    def _take(self) -> None:
        fcntl.ioctl(self._slave, termios.TIOCSCTTY, 0)


Open = Callable[..., Terminal]


@pytest.fixture
def terminal(environment: dict[str, str]) -> Iterator[Open]:
    opened: list[Terminal] = []

    def terminal(*words: str, before: str = "") -> Terminal:
        opened.append(Terminal(environment, *words, before=before))
        return opened[-1]

    yield terminal
    for one in opened:
        one.close()


@pytest.mark.parametrize(
    ("way", "before", "code"),
    [
        (lambda terminal: terminal.press(b"q"), "", 0),
        (lambda terminal: terminal.press(b"\x03"), "", 0),
        (lambda terminal: terminal.send(signal.SIGTERM), "", 128 + signal.SIGTERM),
        (lambda _: None, BROKEN, 70),
    ],
    ids=["q", "Ctrl-C", "TERM", "error"],
)
def test_watch_leaves_the_terminal_as_it_was(
    terminal: Open, way: Callable[[Terminal], None], before: str, code: int
) -> None:
    mine = terminal("watch", before=before)
    mine.read_until(b"q: leave")
    taken = mine.settings != mine.settings_before
    way(mine)
    assert mine.exit_code() == code
    assert taken or before
    assert mine.settings == mine.settings_before
    assert b"nightly-report" in mine.shown
    screen, _, rest = mine.shown.partition(GIVEN_BACK)
    assert screen.count(TAKEN) == screen.count(HIDDEN) == 1
    assert screen.endswith(VISIBLE)
    assert rest == (b"mongolock: internal error: IndexError\r\n" if before else b"")


@pytest.mark.parametrize("kind", ["dumb", "unknown"])
def test_watch_refuses_a_terminal_that_nothing_can_be_drawn_on(
    terminal: Open, environment: dict[str, str], kind: str
) -> None:
    environment["TERM"] = kind
    mine = terminal("watch")
    assert mine.exit_code() == 64
    assert mine.shown.startswith(b"mongolock: watch needs a terminal")


def test_watch_gives_the_terminal_back_while_it_is_suspended(terminal: Open) -> None:
    mine = terminal("watch")
    mine.read_until(b"q: leave")
    mine.press(b"\x1a")  # Ctrl-Z; there is no shell that could continue it, so it goes on at once
    mine.read_until(GIVEN_BACK + TAKEN)
    mine.press(b"q")
    assert mine.exit_code() == 0
    assert mine.settings == mine.settings_before
    assert mine.shown.endswith(VISIBLE + GIVEN_BACK)


async def test_resize_makes_no_index(environment: dict[str, str]) -> None:
    words = command(environment, "resize", "gpu", "4")
    told = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    database, _, name = environment["WHERE"].partition(".")
    async with AsyncMongoClient[dict[str, Any]](environment["MONGODB_URI"]) as client:
        assert list(await client[database][name].index_information()) == ["_id_"]
    assert (told.stdout, told.stderr) == ("gpu: capacity 4\n", "")


def test_what_an_encoding_has_no_letters_for_is_told(environment: dict[str, str]) -> None:
    words = command(environment, "resize", "gpu 日", "4")
    ascii_only = environment | {"PYTHONIOENCODING": "ascii"}
    told = subprocess.run(words, env=ascii_only, capture_output=True, text=True, check=True)
    assert told.stdout == "gpu \\u65e5: capacity 4\n"


def test_a_reader_who_is_gone_ends_ls_without_a_word(environment: dict[str, str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as out:
        words = command(environment, "ls")
        ended = subprocess.run(words, env=environment, stdout=out, stderr=subprocess.PIPE, check=False)
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize("words", [("ls",), ("show", "nightly-report", "--json")])
def test_where_standard_output_is_closed_it_goes_nowhere(
    environment: dict[str, str], words: tuple[str, ...]
) -> None:
    closed = ["sh", "-c", '"$@" >&-', "sh", *command(environment, *words)]
    ended = subprocess.run(closed, env=environment, stderr=subprocess.PIPE, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_without_rich_a_table_is_refused_with_the_cure(environment: dict[str, str]) -> None:
    words = command(environment, "ls", before=WITHOUT_RICH)
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (64, CURE)
