"""What ``mongolock`` is told, and how it says that it was told wrong."""

from __future__ import annotations

import pytest

from mongolock_async._cli import exits, main

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
        (("run", "cron", "--"), "no command behind --"),
        (("run", "--", "true"), "NAME"),
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


def test_a_line_shows_no_password_whoever_wrote_it(capsys: pytest.CaptureFixture[str]) -> None:
    exits.say(f"unrecognized arguments: mongodb://me:{SECRET}@host/db\nmore")
    assert capsys.readouterr().err == "mongolock: unrecognized arguments: mongodb://***@host/db more\n"
