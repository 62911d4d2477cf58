"""Names and owners on a terminal."""

from __future__ import annotations

import pytest
from cli.shown import printed
from hypothesis import given, settings
from hypothesis import strategies as some
from rich.cells import cell_len

from mongolock_async._cli.harmless import harmless
from mongolock_async._cli.labels import Label, cut


@pytest.mark.parametrize(
    ("text", "cells", "shown"),
    [
        ("cron", 4, "cron"),
        ("orders:2026:final", 9, "orde…inal"),
        ("orders:2026:final", 8, "orde…nal"),
        ("orders", 2, "o…"),
        ("orders", 1, "…"),
        ("orders", 0, ""),
        ("日本語の名前", 12, "日本語の名前"),
        ("日本語の名前", 7, "日…前"),  # each takes two cells: another one would be too wide
        ("日本語の名前", 2, "…"),
    ],
)
def test_a_long_text_loses_its_middle(text: str, cells: int, shown: str) -> None:
    assert cut(text, cells) == shown


@settings(deadline=None)
@given(some.text(), some.integers(0, 40))
def test_no_text_is_wider_than_it_may_be(text: str, cells: int) -> None:
    assert cell_len(cut(harmless(text), cells)) <= cells


@settings(deadline=None)
@given(some.text())
def test_nothing_is_left_that_a_terminal_would_obey(text: str) -> None:
    assert harmless(text).isprintable()


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\nb\tc\x07\x9b", r"a\nb\tc\x07\x9b"),
        ("a\u202eb\u200bc\u2028", r"a\u202eb\u200bc\u2028"),
        ("naïve 日本 🔒", "naïve 日本 🔒"),
        (4711, "4711"),
    ],
)
def test_what_cannot_be_seen_is_told(label: str | int, shown: str) -> None:
    assert harmless(label) == shown


def test_markup_and_emoji_codes_are_text() -> None:
    assert printed(Label("[red]a[/red] :lock: [/]"), colours=True).rstrip() == "[red]a[/red] :lock: [/]"
