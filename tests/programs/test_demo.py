"""``python -m demo`` in several real processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from demo._program import parser
from mongolock_async.testing import Mongod

ROOT = Path(__file__).parents[2]
TICK = re.compile(r"^Running increment task at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$", re.MULTILINE)
WON = re.compile(r"Lock obtained\nCounter value: (\d+)\nCounter incremented to: (\d+)\nLock released\n")

Terminals = list[subprocess.Popen[str]]


@pytest.fixture
def terminals() -> Iterator[Terminals]:
    started: Terminals = []
    yield started
    for terminal in started:
        terminal.kill()
        terminal.communicate()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "mongolock-demo"


@pytest.fixture
def demo(terminals: Terminals, tmp_path: Path) -> Any:
    def start(*arguments: str, warnings: str = "error") -> subprocess.Popen[str]:
        environment = {key: value for key, value in os.environ.items() if key != "MONGODB_URI"}
        environment |= {"XDG_STATE_HOME": str(tmp_path), "PYTHONWARNINGS": warnings}
        terminals.append(
            subprocess.Popen(
                [sys.executable, "-m", "demo", *arguments],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return terminals[-1]

    return start


def ended(terminal: subprocess.Popen[str], seconds: float = 40) -> str:
    return terminal.communicate(timeout=seconds)[0]


def read_until(terminal: subprocess.Popen[str], pattern: str | re.Pattern[str]) -> str:
    assert terminal.stdout is not None
    seen = ""
    for line in terminal.stdout:
        seen += line
        if re.search(pattern, line):
            return seen
    pytest.fail(f"{pattern!r} never came:\n{seen}")


def keeper_ends(state: Path) -> bool:
    pid = int((state / "data" / "mongod.lock").read_text() or 0)
    for _ in range(300):
        if not pid or not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.1)
    return False


def increments(output: str) -> list[int]:
    return [int(new) for _, new in WON.findall(output)]


def database_of(uri: str) -> str:
    return f"{uri.replace('/?', f'/demo_{uuid.uuid4().hex}?')}"


def test_terminals_of_both_drivers_increment_once_a_tick(demo: Any, standalone: Mongod) -> None:
    uri = database_of(standalone.uri)
    drivers = ["motor", "pymongo", "motor", "pymongo"]
    four = [demo("--uri", uri, "--driver", name, "--every", "0.5", "--ticks", "4") for name in drivers]
    outputs = [ended(terminal) for terminal in four]
    values = sorted(value for output in outputs for value in increments(output))
    assert values == list(range(1, len(values) + 1))
    with MongoClient[dict[str, Any]](uri) as client:
        counter = client.get_default_database().counters.find_one({"_id": "increment-counter"})
        client.drop_database(client.get_default_database())
    assert counter is not None
    assert counter["value"] == len(values)
    for terminal, output in zip(four, outputs, strict=True):
        assert_five_lines_a_tick(output, 4)
        assert terminal.returncode == 0


def assert_five_lines_a_tick(output: str, count: int) -> None:
    server, task, end, *ticks, goodbye = output.splitlines()
    assert server.startswith("MongoDB: 127.0.0.1:")
    assert task.startswith("Every 0.5 s, ")
    assert end.startswith("Ctrl-C ends ")
    assert len(ticks) == 5 * count
    for tick in range(count):
        head, *body = ticks[tick * 5 : tick * 5 + 5]
        assert TICK.match(head)
        assert body == [""] * 4 or WON.fullmatch("\n".join(body) + "\n")
    assert goodbye == f"{len(increments(output))} of {count} ticks were this terminal's."


def test_the_demo_is_on_motor_unless_it_is_told_otherwise() -> None:
    assert parser().parse_args([]).driver == "motor"


@pytest.mark.long
def test_terminals_without_a_uri_share_one_server_and_the_last_one_stops_it(demo: Any, state: Path) -> None:
    """Started in the same instant, one of them killed, and the data still there the next time."""
    trio = [demo("--every", "1", "--name", "shared") for _ in range(3)]
    heads = [read_until(terminal, TICK) for terminal in trio]
    servers = {line for head in heads for line in head.splitlines() if line.startswith("MongoDB: ")}
    assert len(servers) == 1
    assert str(state) in heads[0]
    time.sleep(0.4)  # whoever holds the lock has written by then
    trio[0].kill()
    ended(trio[0])
    read_until(trio[1], TICK)
    time.sleep(0.4)
    for terminal in trio[1:]:
        terminal.send_signal(signal.SIGINT)
    rest = [ended(terminal) for terminal in trio[1:]]
    assert not any("Traceback" in output for output in rest)
    assert keeper_ends(state)
    again = demo("--every", "0.5", "--ticks", "1", "--name", "shared")
    assert increments(ended(again))[0] > 1
    assert keeper_ends(state)


@pytest.mark.long
def test_a_server_whose_keeper_was_killed_is_replaced(demo: Any, state: Path) -> None:
    first = demo("--every", "1")
    read_until(first, TICK)
    keepers = subprocess.run(
        ["pgrep", "-f", f"demo._keeper .* {state}"], capture_output=True, text=True, check=True
    )
    for pid in keepers.stdout.split():
        os.kill(int(pid), signal.SIGKILL)
    first.kill()
    assert "MongoDB is away" not in ended(demo("--every", "0.5", "--ticks", "2"))
    assert keeper_ends(state)


def test_ctrl_c_ends_the_demo_without_a_traceback(demo: Any, standalone: Mongod, driver: str) -> None:
    terminal = demo("--uri", database_of(standalone.uri), "--driver", driver, "--every", "0.5")
    read_until(terminal, "Lock released")
    terminal.send_signal(signal.SIGINT)
    output = ended(terminal)
    assert terminal.returncode == 130
    assert output.splitlines()[-1].endswith("ticks were this terminal's.")
    assert "Traceback" not in output


@pytest.mark.long
def test_ctrl_c_ends_the_demo_within_seconds(demo: Any, standalone: Mongod, driver: str) -> None:
    terminal = demo("--uri", database_of(standalone.uri), "--driver", driver, "--every", "0.5")
    read_until(terminal, "Lock released")
    began = time.monotonic()
    terminal.send_signal(signal.SIGINT)
    ended(terminal)
    assert time.monotonic() - began < 5


@pytest.mark.long
async def test_the_demo_says_once_that_mongodb_is_away_and_goes_on(demo: Any, driver: str) -> None:
    async with Mongod() as server:
        # Leaving at once, PyMongo's client is not closed to its end, and may say so to developers.
        terminal = demo("--uri", server.uri, "--driver", driver, "--every", "0.5", warnings="ignore")
        read_until(terminal, "Lock released")
        await server.node.kill()
        assert read_until(terminal, "away").count("away") == 1
        time.sleep(4)
        await server.node.restart()
        meanwhile = read_until(terminal, "MongoDB is back")
        assert meanwhile == "MongoDB is back\n"
        read_until(terminal, "Lock released")
        await server.node.kill()
        read_until(terminal, "away")
        began = time.monotonic()
        terminal.send_signal(signal.SIGINT)
        assert "Traceback" not in ended(terminal)
        assert time.monotonic() - began < 5
        assert terminal.returncode in {0, 130}


def test_what_is_no_uri_is_refused_in_a_line(demo: Any) -> None:
    terminal = demo("--uri", "redis://localhost")
    output = ended(terminal)
    assert "not a MongoDB URI" in output
    assert "Traceback" not in output
    assert terminal.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--every", "0"], "must be 0.1 or more"),
        (["--every", "nan"], "must be 0.1 or more"),
        (["--ticks", "0"], "must be 1 or more"),
        (["--name", ""], "must not be empty"),
        (["--driver", "mongoengine"], "invalid choice"),
    ],
)
def test_a_wrong_option_is_refused(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(arguments)
    assert complaint in capsys.readouterr().err
