"""``mongolock run`` at a terminal, under a shell that has job control."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commandline import environment, is_left
from pymongo import MongoClient

from mongolock_async.testing import Mongod

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash, which has job control"),
]

MONGOLOCK = f"{sys.executable} -m mongolock_async"
PROMPT = "ready> "


class Typed:
    """A shell at a terminal of its own, and what it shows."""

    def __init__(self, uri: str) -> None:
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.execvpe(
                "bash",
                ["bash", "--norc", "--noprofile", "-i"],
                environment(uri) | {"PS1": PROMPT, "TERM": "dumb"},
            )
        self.shown = ""
        self.until(PROMPT)

    def keys(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def line(self, text: str) -> None:
        self.keys(f"{text}\n")

    def until(self, text: str, within: float = 30) -> str:
        """What it shows, up to that; the rest is left."""
        end = time.monotonic() + within
        while text not in self.shown:
            ready, _, _ = select.select([self._terminal], [], [], max(0, end - time.monotonic()))
            assert ready, f"{text!r} never came: {self.shown!r}"
            self.shown += os.read(self._terminal, 65_536).decode()
        before, _, self.shown = self.shown.partition(text)
        return before

    def code(self) -> int:
        """How the last program has ended."""
        self.line("echo code=$?=")
        self.until("\ncode=")
        return int(self.until("="))

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._terminal)


@pytest.fixture
def shell(standalone: Mongod) -> Iterator[Typed]:
    shell = Typed(standalone.uri)
    yield shell
    shell.close()


@pytest.fixture
def run() -> str:
    return f"{MONGOLOCK} run --ttl 10 {uuid.uuid4().hex} --"


def test_a_command_may_read_what_is_typed(shell: Typed, run: str) -> None:
    shell.line(f"{run} sh -c 'read x; echo got=$x; read y; echo then=$y'; echo code=$?")
    shell.until("code=$?")
    shell.line("apple")
    shell.until("got=apple")
    shell.line("pear")
    shell.until("then=pear")
    shell.until("code=0")
    shell.line("echo the shell has it again")
    shell.until("\nthe shell has it again")


def test_ctrl_c_ends_a_command_and_the_script_around_it(shell: Typed, run: str) -> None:
    shell.line(f'bash -c \'{run} sh -c "echo beg"un"; exec sleep 60"; echo went on\'')
    shell.until("\nbegun")
    shell.keys("\x03")
    assert "\nwent on" not in shell.until(PROMPT)
    assert shell.code() == 130


def test_ctrl_c_ends_a_command_that_has_the_terminal_and_the_script(shell: Typed, run: str) -> None:
    shell.line(f"bash -c '{run} sh -c \"read x; echo got=\\$x; read y\"; echo went on'")
    shell.until("went on")
    shell.line("apple")
    shell.until("\ngot=apple")
    shell.keys("\x03")
    assert "\nwent on" not in shell.until(PROMPT)
    assert shell.code() == 130


def test_ctrl_c_ends_one_who_waits(shell: Typed, run: str, standalone: Mongod) -> None:
    shell.line(f"{run} sleep 60 & sleep 1; {run} echo ran")
    with MongoClient[dict[str, Any]](standalone.uri) as client:
        while client.mongolock.locks.find_one({"_id": run.split()[-2], "queue": {"$ne": []}}) is None:
            time.sleep(0.05)
    shell.keys("\x03")
    shell.until("^C")
    assert "ran" not in shell.until(PROMPT)
    assert shell.code() == 130
    shell.line("kill %1; wait")


def test_ctrl_z_stops_the_command_and_fg_continues_it(shell: Typed, run: str) -> None:
    shell.line(f"{run} sh -c 'echo beg\"un\"; read x; echo got=$x'; echo code=$?")
    shell.until("\nbegun")
    shell.keys("\x1a")
    shell.until("Stopped")
    shell.until(PROMPT)
    shell.line("echo at the sh''ell")
    shell.until("\nat the shell")
    shell.line("fg; echo code=$?")
    shell.until("read x")
    shell.line("pear")
    shell.until("\ngot=pear")
    shell.until("\ncode=0")


def test_ctrl_z_stops_one_that_has_the_terminal_and_fg_gives_it_back(shell: Typed, run: str) -> None:
    shell.line(f"{run} sh -c 'read x; echo got=$x; read y; echo then=$y'; echo code=$?")
    shell.until("code=$?")
    shell.line("apple")
    shell.until("\ngot=apple")
    shell.keys("\x1a")
    shell.until("Stopped")
    shell.until(PROMPT)
    shell.line("fg; echo code=$?")
    shell.until("read x")
    shell.line("pear")
    shell.until("\nthen=pear")
    shell.until("\ncode=0")


def test_one_that_was_stopped_for_longer_than_its_lease_is_killed(shell: Typed, run: str) -> None:
    # Of bash: dash starts programs with vfork(2), and who waits in that is not stopped, also without us.
    command = "bash -c 'trap \"\" TERM; echo group=$$=; sleep 60; echo went on'"
    shell.line(f"{run.replace('10', '2', 1)} {command}")
    shell.until("\ngroup=")
    group = int(shell.until("="))
    shell.keys("\x1a")
    shell.until("Stopped")
    shell.until(PROMPT)
    while is_left(group) and "Z" not in Path(f"/proc/{group}/stat").read_text().split():
        time.sleep(0.05)
    shell.line("fg")
    assert "\nwent on" not in shell.until(PROMPT)
    assert shell.code() == 76


def test_a_pipeline_keeps_the_terminal(shell: Typed, run: str) -> None:
    shell.line(f"{run} echo one | (read x < /dev/tty; cat; echo and=$x); echo code=$?")
    shell.until("code=$?")
    shell.line("two")
    shell.until("\none")
    shell.until("\nand=two")
    shell.until("\ncode=0")
