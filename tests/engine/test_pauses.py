"""How long it is until the next look or question."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from mongolock_async._engine.pauses import AFTER_EXPIRY, Backoff, after_expiry, poll_pause

CHOICES: dict[str, Callable[[float, float], float]] = {"shortest": min, "longest": max}


@pytest.fixture(params=CHOICES)
def part(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """What chance makes of a pause, at the least and at the most."""
    choice = CHOICES[request.param]
    monkeypatch.setattr(random, "uniform", choice)
    return choice(0.5, 1)


def test_pauses_grow_by_half_from_20_to_250_ms(part: float) -> None:
    backoff = Backoff()
    pauses = [backoff.pause(None) for _ in range(20)]
    grown = [0.020 * 1.5**number for number in range(20)]
    assert pauses == pytest.approx([min(pause, 0.250) * part for pause in grown])


@pytest.mark.usefixtures("part")
def test_a_pause_never_outlasts_the_holders_lease() -> None:
    backoff = Backoff()
    assert [backoff.pause(0.005) for _ in range(20)] == [0.005 + AFTER_EXPIRY] * 20


def test_a_holder_that_lives_for_long_makes_no_pause_longer(part: float) -> None:
    assert Backoff().pause(30) == pytest.approx(0.020 * part)


@pytest.mark.parametrize(
    ("waited", "longest"), [(0, 0.010), (0.1, 0.010), (0.5, 0.050), (1, 0.100), (2.5, 0.250), (3600, 0.250)]
)
def test_polling_begins_at_10_ms_and_grows_to_250(part: float, waited: float, longest: float) -> None:
    assert poll_pause(waited, 0) == pytest.approx(longest * part)


@pytest.mark.parametrize(
    ("waited", "before", "longest"),
    [(0, 1, 0.020), (0, 2, 0.030), (1, 4, 0.500), (2.5, 3, 1), (3600, 4, 1), (0, 1000, 1)],
)
def test_those_further_back_poll_more_slowly_up_to_a_second(
    part: float, waited: float, before: int, longest: float
) -> None:
    assert poll_pause(waited, before) == pytest.approx(longest * part)


def test_pauses_are_jittered() -> None:
    assert len({Backoff().pause(None) for _ in range(20)}) > 1
    assert len({poll_pause(1, 0) for _ in range(20)}) > 1


def test_the_head_tries_2_ms_after_an_expiry_and_each_behind_it_50_ms_later() -> None:
    assert [after_expiry(1, before) for before in range(4)] == pytest.approx([1.002, 1.052, 1.102, 1.152])


def test_nobody_tries_later_than_the_one_who_has_100_before_it() -> None:
    assert after_expiry(1, 100) == after_expiry(1, 1000) == pytest.approx(6.002)
