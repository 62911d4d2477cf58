"""Every argument of a caller is looked at before anything is sent."""

from __future__ import annotations

import contextlib
import math
import os
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mongolock_async import _settings


@pytest.mark.parametrize(
    "name", ["a", "nightly-report", "$where", "a.b", 'say "hi"', "ключ", "🔒", "x" * 1024]
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


def test_the_default_owner_names_the_process() -> None:
    assert _settings.default_owner().endswith(f":{os.getpid()}")


@pytest.mark.parametrize(
    ("value", "seconds"), [(1, 1.0), (0.25, 0.25), (timedelta(minutes=1), 60.0), (1e9, 1e9)]
)
def test_a_duration_is_seconds_or_a_timedelta(value: float | timedelta, seconds: float) -> None:
    assert _settings.check_seconds("ttl", value) == seconds


@pytest.mark.parametrize("value", [0, -1, 0.0, math.nan, math.inf, -math.inf, timedelta(0), 10**400, 1e12])
def test_a_duration_that_is_no_positive_finite_number_is_a_value_error(value: object) -> None:
    with pytest.raises(ValueError, match="ttl"):
        _settings.check_seconds("ttl", value)


@pytest.mark.parametrize("value", [True, "5", None, 1j, [5]])
def test_a_duration_of_another_type_is_a_type_error(value: object) -> None:
    with pytest.raises(TypeError, match="timeout"):
        _settings.check_seconds("timeout", value)


@given(st.one_of(st.text(), st.integers(), st.floats(), st.binary(), st.none(), st.booleans()))
def test_whatever_is_passed_comes_back_unchanged_or_is_refused(value: object) -> None:
    for check in (_settings.check_name, _settings.check_owner):
        with contextlib.suppress(TypeError, ValueError):
            assert check(value) is value


@pytest.mark.parametrize(("seconds", "expected"), [(0.0001, 1), (0.0014, 1), (30, 30_000), (1 / 3, 333)])
def test_milliseconds_are_whole_and_never_none(seconds: float, expected: int) -> None:
    assert _settings.milliseconds(seconds) == expected
