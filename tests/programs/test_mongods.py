"""The runner that tests on several versions of mongod; no server is needed here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mongods
import pytest


def program(folder: Path, text: str) -> Path:
    """A program that stands where a mongod would."""
    folder.mkdir()
    path = folder / "mongod"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return program(tmp_path / "old", "echo 'db version v4.4'\necho more")


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return program(tmp_path / "new", "echo 'db version v8.0'")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], str]]:
    """Each run of pytest that is asked for, and which mongod it would find; with ``old`` it fails."""
    seen = []

    def call(command: list[str], *, cwd: Path, env: dict[str, str]) -> int:
        assert cwd == mongods.ROOT
        found = Path(env["PATH"].split(os.pathsep)[0], "mongod").resolve()
        seen.append((command, found.parent.name))
        return found.parent.name == "old"

    monkeypatch.setattr(subprocess, "call", call)
    return seen


@pytest.mark.parametrize("listed", ["", os.pathsep])
def test_without_a_mongod_it_fails_and_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], listed: str
) -> None:
    monkeypatch.setenv("MONGOD_BINARIES", listed)
    assert mongods.main([]) == 2
    assert "MONGOD_BINARIES names no mongod" in capsys.readouterr().err


def test_a_variable_that_is_not_set_is_an_empty_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONGOD_BINARIES", raising=False)
    assert mongods.main([]) == 2


def test_a_path_that_is_no_program_fails_before_any_test(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], calls: list[object], new: Path
) -> None:
    for wrong in (new.parent, new.with_name("nothing")):
        monkeypatch.setenv("MONGOD_BINARIES", f"{new}{os.pathsep}{wrong}")
        assert mongods.main([]) == 2
        assert f"{wrong}, which is no program" in capsys.readouterr().err
    assert calls == []


def test_a_mongod_that_does_not_run_fails_with_its_own_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], calls: list[object], tmp_path: Path
) -> None:
    broken = program(tmp_path / "broken", "echo 'no libssl' >&2; exit 127")
    monkeypatch.setenv("MONGOD_BINARIES", str(broken))
    assert mongods.main([]) == 2
    assert "no libssl" in capsys.readouterr().err
    assert calls == []


def test_each_mongod_is_tested_with_the_arguments_given(
    monkeypatch: pytest.MonkeyPatch, calls: list[tuple[list[str], str]], old: Path, new: Path
) -> None:
    monkeypatch.setenv("MONGOD_BINARIES", f"{old}{os.pathsep}{new}")
    mongods.main(["-n", "0"])
    command = [sys.executable, "-m", "pytest", "--no-cov", *mongods.TESTS, "-n", "0"]
    assert calls == [(command, "old"), (command, "new")]


def test_one_failure_fails_all_and_each_version_is_named(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    calls: list[object],
    old: Path,
    new: Path,
) -> None:
    monkeypatch.setenv("MONGOD_BINARIES", f"{old}{os.pathsep}{new}")
    assert mongods.main([]) == 1
    printed = capsys.readouterr().out
    assert f"FAILED db version v4.4 {old}" in printed
    assert f"passed db version v8.0 {new}" in printed
    assert len(calls) == 2


def test_it_succeeds_where_all_pass(
    monkeypatch: pytest.MonkeyPatch, calls: list[tuple[list[str], str]], new: Path
) -> None:
    monkeypatch.setenv("MONGOD_BINARIES", str(new))
    assert mongods.main([]) == 0
    assert [found for _, found in calls] == ["new"]


def test_a_server_at_mongodb_uri_does_not_stand_in_for_the_mongod(new: Path) -> None:
    inside = mongods.environment(new.parent, {"MONGODB_URI": "mongodb://other", "PATH": "/bin", "HOME": "/h"})
    assert inside == {"PATH": f"{new.parent}{os.pathsep}/bin", "HOME": "/h"}
