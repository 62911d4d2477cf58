"""Durations, for people."""

from __future__ import annotations

import pytest

from mongolock_async._cli.durations import duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"),
        (0.3, "0.3s"),
        (4.26, "4.2s"),
        (9.999, "9.9s"),
        (10, "10s"),
        (59.999, "59s"),
        (60, "1m 0s"),
        (133, "2m 13s"),
        (3599.9, "59m 59s"),
        (3600, "1h 0m"),
        (86_399, "23h 59m"),
        (86_400, "1d 0h"),
        (273_600, "3d 4h"),
        (2**40 / 1000, "12725d 19h"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units_rounded_down(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_is_over_has_no_duration() -> None:
    assert duration(-0.2) == "0.0s"
