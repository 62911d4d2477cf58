"""The README's Python, as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mongolock_async.testing import Mongod

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^    (pip install .*)$", README.read_text(), re.MULTILINE)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_python_block_of_the_readme_runs(block: str, standalone: Mongod) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", block],
        env={**os.environ, "MONGODB_URI": standalone.uri},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert "one at a time import" in run.stdout
    assert "held by" in run.stdout
    assert "tick" in run.stdout


def test_the_readmes_two_commands_are_these() -> None:
    assert COMMANDS == [
        "pip install -e '.[demo]' && python -m demo",
        "pip install -e '.[test]' && python -m pytest",
    ]


def test_ci_types_the_readmes_test_command() -> None:
    assert COMMANDS[1] in (README.parent / ".ci" / "run").read_text().splitlines()
