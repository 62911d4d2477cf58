"""Every argument of a caller is looked at before anything is sent; and what holds where there is none."""

from __future__ import annotations

import contextlib
import math
import os
import socket
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mongolock_async import _settings

# Values of every type that a caller may have at hand, and some of the worst.
anything = st.one_of(
    st.text("a$. é🔒\0\ud800", max_size=5),  # all of Unicode takes seconds to load
    st.integers(),
    st.floats(),
    st.binary(max_size=5),
    st.timedeltas(),
    st.sampled_from([None, True, False, [], {}, "x" * 1025, "a\0b", "\ud800", 10**400, 1j]),
)
quick = settings(max_examples=50, deadline=None, database=None)


@pytest.mark.parametrize(
    "name", ["a", "nightly-report", "$where", "a.b", 'say "hi"', "ключ", "🔒", "a\nb", "x" * 1024, "é" * 512]
)
def test_a_name_is_any_text_up_to_1024_bytes(name: str) -> None:
    assert _settings.check_name(name) is name


@pytest.mark.parametrize("name", ["", "x" * 1025, "é" * 513, "a\0b", "\ud800"])
def test_an_unusable_name_is_a_value_error(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        _settings.check_name(name)


@pytest.mark.parametrize("name", [None, 1, b"cron", ["cron"], {"$ne": 1}])
def test_a_name_that_is_no_str_is_a_type_error(name: object) -> None:
    with pytest.raises(TypeError, match="name must be a str"):
        _settings.check_name(name)


@pytest.mark.parametrize("owner", ["", "host:1", "$token", "🔒", 0, -(2**63), 2**63 - 1])
def test_an_owner_is_a_str_or_a_64_bit_int(owner: str | int) -> None:
    assert _settings.check_owner(owner) is owner


@pytest.mark.parametrize("owner", [True, 1.5, None, b"x", {"$gt": 0}, ["x"]])
def test_an_owner_of_another_type_is_a_type_error(owner: object) -> None:
    with pytest.raises(TypeError, match="owner must be a str or an int"):
        _settings.check_owner(owner)


@pytest.mark.parametrize("owner", [2**63, -(2**63) - 1, "\udfff"])
def test_an_owner_that_mongodb_cannot_store_is_a_value_error(owner: object) -> None:
    with pytest.raises(ValueError, match="owner"):
        _settings.check_owner(owner)


def test_the_default_owner_names_host_and_process() -> None:
    assert _settings.default_owner() == f"{socket.gethostname()}:{os.getpid()}"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(1, 1.0), (0.25, 0.25), (timedelta(minutes=1), 60.0), (1e9, 1e9), (2**40 / 1000, 2**40 / 1000)],
)
def test_a_duration_is_seconds_or_a_timedelta(value: float | timedelta, seconds: float) -> None:
    checked = _settings.check_seconds("ttl", value)
    assert (checked, type(checked)) == (seconds, float)


@pytest.mark.parametrize(
    "value",
    [0, -1, 0.0, -0.0, math.nan, math.inf, -math.inf, timedelta(0), timedelta(days=-1), 10**400, 1e12],
)
def test_a_duration_that_is_no_positive_finite_number_is_a_value_error(value: object) -> None:
    with pytest.raises(ValueError, match="ttl"):
        _settings.check_seconds("ttl", value)


@pytest.mark.parametrize("value", [True, "5", None, 1j, [5]])
def test_a_duration_of_another_type_is_a_type_error(value: object) -> None:
    with pytest.raises(TypeError, match="period must be seconds or a timedelta"):
        _settings.check_seconds("period", value)


@pytest.mark.parametrize("value", [0.1, 1, timedelta(milliseconds=100)])
def test_a_ttl_or_period_is_a_duration_of_a_tenth_of_a_second_or_more(value: float | timedelta) -> None:
    assert _settings.check_life("ttl", value) == _settings.check_seconds("ttl", value)


@pytest.mark.parametrize("value", [0.001, 0.0999, timedelta(milliseconds=99), 0, -1])
def test_a_shorter_ttl_or_period_is_a_value_error(value: float | timedelta) -> None:
    with pytest.raises(ValueError, match=r"period must be (at least 0.1 s|more than 0 s)"):
        _settings.check_life("period", value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *((None, None), (0, 0.0), (0.0, 0.0), (timedelta(0), 0.0), (5, 5.0), (0.001, 0.001)),
        *((-1, 0.0), (-0.002, 0.0), (timedelta(days=-1), 0.0), (-(2**80), 0.0)),
    ],
)
def test_a_timeout_is_a_duration_or_0_and_less_for_once_or_none_for_ever(
    value: float | timedelta | None, seconds: float | None
) -> None:
    assert _settings.check_timeout(value) == seconds


@pytest.mark.parametrize(
    ("value", "error"), [(False, TypeError), ("0", TypeError), ([0], TypeError), (-math.inf, ValueError)]
)
def test_anything_else_is_no_timeout(value: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="timeout"):
        _settings.check_timeout(value)


@quick
@given(anything)
def test_whatever_is_passed_comes_back_unchanged_or_is_refused(value: object) -> None:
    for check in (_settings.check_name, _settings.check_owner):
        with contextlib.suppress(TypeError, ValueError):
            assert check(value) is value


@quick
@given(anything)
def test_whatever_is_passed_as_a_duration_is_positive_and_finite_or_is_refused(value: object) -> None:
    with contextlib.suppress(TypeError, ValueError):
        assert 0 < _settings.check_seconds("ttl", value) <= 2**40 / 1000
    with contextlib.suppress(TypeError, ValueError):
        seconds = _settings.check_timeout(value)
        assert seconds is None or 0 <= seconds <= 2**40 / 1000


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.0001, 1), (0.0014, 1), (0.0016, 2), (30, 30_000), (1 / 3, 333)]
)
def test_milliseconds_are_whole_and_never_none(seconds: float, expected: int) -> None:
    assert _settings.milliseconds(seconds) == expected


@pytest.mark.parametrize(
    ("ttl", "margin"), [(0.001, 0.1), (1, 0.1), (2, 0.1), (10, 0.5), (20, 1), (30, 1), (86_400, 1)]
)
def test_the_default_margin_is_a_twentieth_of_the_ttl_but_a_tenth_of_a_second_to_one(
    ttl: float, margin: float
) -> None:
    assert _settings.default_margin(ttl) == pytest.approx(margin)
