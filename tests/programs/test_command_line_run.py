"""``mongolock run`` in real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commandline import STUBBORN, Start, handed_over, is_left, line
from pymongo import MongoClient

from mongolock_async._cli.guard import Guard
from mongolock_async.testing import Mongod


@pytest.fixture
def lock(standalone: Mongod, name: str) -> Iterator[Callable[[], Any]]:
    """What the server knows of it."""
    with MongoClient[dict[str, Any]](standalone.uri) as client:
        yield lambda: client.mongolock.locks.find_one({"_id": name})


def test_a_command_knows_its_lease_and_ends_us_with_its_code(mongolock: Start, name: str, lock: Any) -> None:
    says = "echo $MONGOLOCK_NAME $MONGOLOCK_TOKEN $MONGOLOCK_OWNER; exit 3"
    holder = mongolock("run", name, "--", "sh", "-c", says)
    output, errors = holder.communicate()
    told, token, owner = output.split()
    assert (told, owner, errors, holder.returncode) == (name, f"{os.uname().nodename}:{holder.pid}", "", 3)
    assert int(token) == lock()["token"]
    assert lock()["holders"] == []


def test_one_who_does_not_wait_ends_with_75_or_what_it_chooses(mongolock: Start, name: str) -> None:
    holder = mongolock("run", name, "--", "sh", "-c", "echo begun; exec sleep 60")
    assert line(holder) == "begun"
    others = [mongolock("run", "-n", *more, name, "--", "echo", "ran") for more in ([], ["-E", "9"])]
    told = [other.communicate() for other in others]
    assert [other.returncode for other in others] == [75, 9]
    assert all(output == "" and "was not free" in errors for output, errors in told)


def test_signals_are_for_the_command_while_it_runs(mongolock: Start, name: str, lock: Any) -> None:
    holder = mongolock(
        "run",
        name,
        "--",
        "sh",
        "-c",
        'trap "echo heard; exit 5" USR1; echo begun; while :; do :; done',
    )
    assert line(holder) == "begun"
    holder.send_signal(signal.SIGUSR1)
    assert holder.communicate() == ("heard\n", "")
    assert holder.returncode == 5
    assert lock()["holders"] == []


def test_a_signal_ends_one_who_waits_and_leaves_nothing_in_the_queue(
    mongolock: Start, name: str, lock: Any
) -> None:
    holder = mongolock("run", name, "--", "sh", "-c", "echo begun; exec sleep 60")
    assert line(holder) == "begun"
    waiter = mongolock("run", name, "--", "echo", "ran")
    while not lock()["queue"]:
        assert waiter.poll() is None
        time.sleep(0.01)
    waiter.send_signal(signal.SIGTERM)
    assert waiter.communicate() == ("", "")
    assert waiter.returncode == 128 + signal.SIGTERM
    assert lock()["queue"] == []


def test_the_children_of_a_killed_mongolock_die(mongolock: Start, name: str) -> None:
    holder = mongolock("run", name, "--", "sh", "-c", STUBBORN)
    group = int(line(holder))
    holder.kill()
    while is_left(group):
        time.sleep(0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, the guard alone does it")
def test_the_command_dies_with_us_where_the_guard_is_dead_too(mongolock: Start, name: str) -> None:
    holder = mongolock("run", name, "--", "sh", "-c", "echo $$; exec sleep 60")
    command = int(line(holder))
    children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
    (guard,) = {int(child) for child in children} - {command}
    os.kill(guard, signal.SIGKILL)
    holder.kill()
    while is_left(command):
        time.sleep(0.01)


def test_a_guard_that_is_stopped_holds_nobody_up() -> None:
    with subprocess.Popen(["sleep", "60"], process_group=0) as command:
        with Guard() as guard:
            os.kill(guard._process.pid, signal.SIGSTOP)
            while guard._process.poll() is None:  # a pipe has room for some thousand lines
                guard.kill_in(command.pid, 3600)
            guard.rest()
        assert command.poll() is None
        command.kill()
    assert guard._process.returncode == -signal.SIGKILL


def test_a_lock_is_held_until_all_that_the_command_has_started_is_gone(
    mongolock: Start, name: str, lock: Any, tmp_path: Path
) -> None:
    os.mkfifo(fifo := tmp_path / "end")
    holder = mongolock("run", name, "--", "sh", "-c", f"echo $$; read line < {fifo} & exit 4")
    group = int(line(holder))
    assert holder.stderr is not None
    assert "has ended, but not what it has started" in holder.stderr.readline()
    assert lock()["holders"] != []
    assert is_left(group)
    fifo.write_text("\n")
    assert holder.wait() == 4
    assert lock()["holders"] == []


def test_a_command_does_not_begin_under_a_lease_that_was_taken_away(name: str) -> None:
    words = ("run", "--ttl", "60", "--grace", "20", name, "--", "echo", "ran")
    assert handed_over("forced", *words) == ("", 76)


def test_a_command_that_is_not_there_is_not_waited_for(mongolock: Start, name: str, lock: Any) -> None:
    missing = mongolock("run", name, "--", "/no/such/command")
    assert missing.wait() == 127
    assert lock() is None
