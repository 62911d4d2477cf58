"""Runs the tests that need a server on each mongod: ``python tests/mongods.py [PYTEST ARGUMENT ...]``.

Which ones, the environment variable ``MONGOD_BINARIES`` says: paths, with a colon between them (on
Windows a semicolon).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
VARIABLE = "MONGOD_BINARIES"
TESTS = ("tests/mongo", "tests/contract", "tests/protocol/test_document.py")
NONE_GIVEN = f"""{VARIABLE} names no mongod. Give it one path or several, with {os.pathsep!r} between them:
  {VARIABLE}=/opt/mongodb-5/bin/mongod{os.pathsep}/opt/mongodb-8/bin/mongod tox -e mongo"""


def binaries(listed: str) -> list[Path]:
    """The programs in the variable.

    Raises:
        ValueError: it names none, or one that cannot be run.
    """
    found = [Path(path).absolute() for path in listed.split(os.pathsep) if path]
    if not found:
        raise ValueError(NONE_GIVEN)
    for binary in found:
        if not binary.is_file() or not os.access(binary, os.X_OK):
            raise ValueError(f"{VARIABLE} names {binary}, which is no program")
    return found


def version(binary: Path) -> str:
    """Its own words.

    Raises:
        ValueError: it does not run.
    """
    told = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
    if told.returncode:
        raise ValueError(f"{binary} does not run: {told.stderr.strip()}")
    return told.stdout.splitlines()[0]


def environment(folder: Path, outside: Mapping[str, str]) -> dict[str, str]:
    """What makes ``mongolock_async.testing`` take the mongod in this folder, and nothing else."""
    inside = {name: value for name, value in outside.items() if name != "MONGODB_URI"}
    inside["PATH"] = os.pathsep.join([str(folder), outside.get("PATH", os.defpath)])
    return inside


def passes(binary: Path, arguments: Sequence[str]) -> bool:
    """Whether the tests pass on it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "mongod").symlink_to(binary)
        command = [sys.executable, "-m", "pytest", "--no-cov", *TESTS, *arguments]
        return not subprocess.call(command, cwd=ROOT, env=environment(Path(folder), os.environ))


def main(arguments: Sequence[str]) -> int:
    """Test them all, also after one has failed; how the process ends."""
    try:
        versions = {binary: version(binary) for binary in binaries(os.environ.get(VARIABLE, ""))}
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    results = {}
    for binary, told in versions.items():
        print(f"\n{told}: {binary}", flush=True)
        results[binary] = passes(binary, arguments)
    print()
    for binary, passed in results.items():
        print("passed" if passed else "FAILED", versions[binary], binary)
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
