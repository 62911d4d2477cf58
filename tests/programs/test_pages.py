"""The Python blocks of the pages in docs, as they stand there, on both drivers (tests/pages.py)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import ELSEWHERE, NOWHERE, ROOT, Block, blocks, on_pymongo

from mongolock_async.testing import Mongod, ReplicaSet

SCRIPTS = {str(block): block for block in blocks("script")}
FIRST = {block.page: block for block in reversed(SCRIPTS.values())}
# Those whose output is looked at below.
TOLD = [
    "adopt.md",
    "fencing.md",
    "election.md",
    "lock_all.md",
    "once.md",
    "rwlock.md",
    "schedules.md",
    "semaphore.md",
]


@pytest.fixture(params=["motor", pytest.param("pymongo", marks=pytest.mark.long)])
def driver(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def run(*arguments: str, uri: str = "", folder: Path = ROOT, **more: str) -> list[str]:
    """What a program prints that ends in order, and without a warning."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        env={**os.environ, "MONGODB_URI": uri, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", **more},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr or ended.stdout
    assert ended.stderr == ""
    return ended.stdout.splitlines()


def output(block: Block, driver: str, uri: str) -> list[str]:
    """What a script prints. Each driver's run is another application's: what is done once stays so."""
    code = block.code if driver == "motor" else on_pymongo(block.code)
    page = block.page.removesuffix(".md").replace("/", "_")
    return run("-c", code.replace("client.app.", f"client.{page}_{driver}."), uri=uri)


@pytest.mark.parametrize(
    "name", [name for name, block in SCRIPTS.items() if block not in map(FIRST.get, TOLD)]
)
def test_a_script_runs(name: str, standalone: Mongod, driver: str) -> None:
    output(SCRIPTS[name], driver, standalone.uri)


def test_the_parts_of_each_page_run_as_one_program(replica_set: ReplicaSet, driver: str) -> None:
    run(str(ROOT / "tests" / "parts.py"), driver, replica_set.uri, uri=replica_set.uri)


def test_the_tests_of_the_pages_pass(tmp_path: Path) -> None:
    for number, block in enumerate(blocks("test")):
        (tmp_path / f"test_block_{number}.py").write_text(block.code)
    ini = ["asyncio_mode=auto", "asyncio_default_fixture_loop_scope=function"]
    options = ["-q", "--color=no", "-p", "pytest_asyncio.plugin", *(f"--override-ini={line}" for line in ini)]
    (*_, last) = run(
        "-m", "pytest", *options, str(tmp_path), folder=tmp_path, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"
    )
    assert re.fullmatch(r"\d+ passed in .*", last)


def test_what_is_not_run_here_says_what_runs_it_or_why_nothing_does() -> None:
    for block in blocks("elsewhere"):
        if block.mark.startswith(ELSEWHERE):
            assert (ROOT / block.mark.removeprefix(ELSEWHERE)).is_file(), str(block)
        else:
            assert len(block.mark.removeprefix(NOWHERE)) > 10, str(block)


def test_the_script_of_schedules_runs(standalone: Mongod, driver: str) -> None:
    lines = output(FIRST["schedules.md"], driver, standalone.uri)
    assert len(lines) == 3
    assert re.fullmatch(r"this hour is ours: \S+ \d\d:00:00\+00:00", lines[0])
    assert all(re.fullmatch(r"tick \S+ \S+\.[16]00000\+00:00", line) for line in lines[1:])


@pytest.mark.parametrize(
    ("page", "printed"),
    [
        (
            "semaphore.md",
            ["full: None", "training model 7", "a capacity of 3 now, less than the weight of 5"],
        ),
        ("lock_all.md", ["taken: None", "too late for account:bob", "ann is free: True", "both are ours"]),
        (
            "election.md",
            [
                "leader: None",
                "observed: http://10.0.0.",
                "/ready",
                "leads: http://10.0.0.8",
                "observed: None",
            ],
        ),
        ("rwlock.md", ["both read: True True", "alone: None", "still an upgradable reader: True", "'n': 1"]),
    ],
)
def test_the_scripts_of_locks_run(page: str, printed: list[str], standalone: Mongod, driver: str) -> None:
    text = "\n".join(output(FIRST[page], driver, standalone.uri))
    assert [line for line in printed if line not in text] == []


def test_the_script_about_once_runs(standalone: Mongod, driver: str) -> None:
    assert output(FIRST["once.md"], driver, standalone.uri) == [
        "migrated",
        "[False, False, False, False, True]",
        "now: True",
        "done",
        "'migration-43' was done by once(), and is no lock until reset() makes it undone",
        "was done: True",
        "migrated",
        "again: True",
    ]


def test_the_script_about_leases_for_other_processes_runs(standalone: Mongod, driver: str) -> None:
    told = output(FIRST["adopt.md"], driver, standalone.uri)
    (first, second) = (line.split()[1] for line in told if line.startswith("token"))
    assert first == second
    assert sorted(line for line in told if not line.startswith("token")) == [
        "free again: True",
        "held here: False released here: False",
        "once more: None",
        "text is no text of lease.export(), or was changed since",
    ]


def test_the_script_about_fencing_runs(replica_set: ReplicaSet, driver: str) -> None:
    told = output(FIRST["fencing.md"], driver, replica_set.uri)
    assert [line.split(":")[0] for line in told] == ["fenced", "aborted", "[100, 10]"]
