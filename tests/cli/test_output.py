"""Colours and widths, on a terminal and on what is none."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator

import pytest

from mongolock_async._cli.output import console

Shown = Callable[[], str]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shown]:
    """What a terminal gets."""
    master, slave = os.openpty()
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    with os.fdopen(slave, "w") as terminal, os.fdopen(master, "rb", buffering=0) as behind:

        def shown() -> str:
            monkeypatch.setattr(sys, "stdout", terminal)
            console().print("late", style="bold red")
            terminal.flush()
            return behind.read(1024).decode()

        yield shown


def test_a_terminal_gets_colours(shown: Shown) -> None:
    assert shown() == "\x1b[1;31mlate\x1b[0m\r\n"


def test_with_no_color_a_terminal_gets_none(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[1;31m" not in shown()


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE", "CLICOLOR_FORCE"])
def test_what_is_no_terminal_gets_no_codes_and_no_cuts(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    console().print("x" * 2000, style="bold red")
    assert out.getvalue() == "x" * 2000 + "\n"
