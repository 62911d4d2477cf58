"""What ``mongolock`` is told, and how it says that it was told wrong."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import environment

from mongolock_async import LockRepository
from mongolock_async._cli import exits, main, program
from mongolock_async._cli.child import check
from mongolock_async._cli.parser import parsed
from mongolock_async._cli.run import lock_of
from mongolock_async.testing import MemoryLocks

SECRET = "pa:ss/w@rd"


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Exit code, and the line on standard error."""
    try:
        code: object = main(words)
    except SystemExit as error:
        code = error.code
    line = capsys.readouterr().err
    assert line.startswith("mongolock: ")
    assert line.count("\n") == 1
    assert isinstance(code, int)
    return code, line


@pytest.mark.parametrize(
    ("words", "right"),
    [
        ((), "COMMAND"),
        (("dance",), "dance"),
        (("run", "cron"), "write -- and then the command"),
        (("run", "cron", "echo", "hi"), "write -- and then the command"),
        (("run", "cron", "--"), "no command behind --"),
        (("run", "--", "true"), "NAME"),
        (("run", "--uri", "--", "true"), "see mongolock --help"),
        (("run", "--ttl", "long", "cron", "--", "true"), "--ttl"),
        (("run", "-n", "-w", "1", "cron", "--", "true"), "not allowed with"),
        (("cron", "* * * * *", "cron", "--", "true"), "--tz"),
    ],
)
def test_wrong_words_are_64_and_one_line(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], right: str
) -> None:
    code, line = said(capsys, *words)
    assert code == 64
    assert right in line


def test_without_a_server_the_line_says_how_to_name_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MONGODB_URI", raising=False)
    code, line = said(capsys, "run", "cron", "--", "true")
    assert code == 64
    assert "MONGODB_URI" in line


@pytest.mark.parametrize(
    "uri",
    [f"mongodb://me:{SECRET}@host/", f"mongodb://me:{SECRET}", SECRET],
)
def test_a_wrong_uri_is_64_and_not_quoted(capsys: pytest.CaptureFixture[str], uri: str) -> None:
    code, line = said(capsys, "run", "--uri", uri, "cron", "--", "true")
    assert code == 64
    assert "URI" in line
    assert SECRET not in line


def test_a_server_that_is_not_there_is_69_and_its_password_not_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    uri = "mongodb://me:secret@127.0.0.1:1/?serverSelectionTimeoutMS=100"
    code, line = said(capsys, "run", "--uri", uri, "cron", "--", "true")
    assert code == 69
    assert "ServerSelectionTimeoutError" in line
    assert "secret" not in line


async def test_the_kind_of_a_lock_is_what_the_words_say() -> None:
    async with LockRepository(MemoryLocks()) as locks:

        async def had(*words: str) -> bool:
            options = parsed(program(), ["run", *words, "--", "true"])
            return await lock_of(locks, options).obtain(keep_alive=True) is not None

        assert [await had(name) for name in ("mutex", "mutex")] == [True, False]
        assert [await had(f"--{how}", "rw") for how in ("read", "read", "write")] == [True, True, False]
        assert [await had("--count", "3", "--weight", "2", "sem") for _ in range(2)] == [True, False]
        assert await had("--count", "3", "sem")
        assert [await had(*more, "short") for more in (["--ttl", "5", "--at-least", "9"], [])] == [
            True,
            False,
        ]


def test_a_weight_needs_a_count() -> None:
    options = parsed(program(), ["run", "--weight", "2", "cron", "--", "true"])
    with pytest.raises(exits.UsageError, match="goes with --count"):
        lock_of(LockRepository(MemoryLocks()), options)


def test_a_program_that_may_not_be_run_is_126(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("")
    with pytest.raises(exits.CommandError, match="cannot be run") as refused:
        check([str(tmp_path / "text")])
    assert refused.value.code == 126


@pytest.mark.parametrize("secret", [SECRET, "pass phrase", "new\nline"])
@pytest.mark.parametrize("scheme", ["mongodb", "mongodb+srv"])
def test_a_line_shows_no_password_whoever_wrote_it(
    capsys: pytest.CaptureFixture[str], scheme: str, secret: str
) -> None:
    exits.say(f"unrecognized arguments: {scheme}://me:{secret}@host/db\nmore")
    assert capsys.readouterr().err == f"mongolock: unrecognized arguments: {scheme}://***@host/db more\n"


def test_a_name_that_is_no_uri_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    exits.say("lock 'https://me' was not free; held by 'you@host'")
    assert capsys.readouterr().err == "mongolock: lock 'https://me' was not free; held by 'you@host'\n"


def test_an_error_of_the_system_says_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert exits.told(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))) == exits.INTERNAL
    assert capsys.readouterr().err == "mongolock: internal error: OSError: No space left on device\n"


def test_where_standard_error_is_closed_nothing_is_said_on_standard_output() -> None:
    program = [sys.executable, "-m", "mongolock_async", "dance"]
    closed = subprocess.run(
        ["sh", "-c", '"$@" 2>&-', "sh", *program],
        stdout=subprocess.PIPE,
        env=environment(""),
        check=False,
    )
    assert (closed.stdout, closed.returncode) == (b"", 64)
