"""Faults whose outcome is known: the rules hold, and under a weaker setting they are seen to break."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from chaos.cluster import clock_unavailable
from chaos.network import unavailable

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def _possible() -> None:
    if reason := unavailable() or clock_unavailable():
        if os.environ.get("FAULTS_REQUIRED"):
            pytest.fail(f"this machine must have what the faults need: {reason}")
        pytest.skip(reason)


def outcomes(*scenarios: str) -> list[Any]:
    """What comes of these scenarios, all at the same time, each in a network of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "chaos.scenarios", *scenario.split()],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for scenario in scenarios
    ]
    try:
        ended = [run.communicate() for run in runs]
    finally:
        for run in runs:
            run.kill()
    for run, (printed, complaints) in zip(runs, ended, strict=True):
        print(printed)
        assert run.returncode == 0, complaints
    return [json.loads(printed.splitlines()[-1]) for printed, _ in ended]


@pytest.fixture(scope="module")
def cut_off() -> list[Any]:
    return outcomes("cut-off", "cut-off w1")


def test_what_a_cut_off_primary_acknowledges_is_nothing(cut_off: list[Any]) -> None:
    outcome, _ = cut_off
    assert outcome["broken"] == []
    assert outcome["acknowledged by the cut-off primary"] == 0
    assert outcome["counts"]["begin"] > 0


def test_with_claims_that_one_node_acknowledges_two_hold_the_lock(cut_off: list[Any]) -> None:
    _, outcome = cut_off
    assert outcome["broken"] == ["overlap"]


@pytest.fixture(scope="module")
def stopped() -> list[Any]:
    return outcomes("stopped", "stopped unfenced")


def test_a_holder_that_was_stopped_before_its_write_is_refused(stopped: list[Any]) -> None:
    outcome, _ = stopped
    assert outcome["broken"] == []
    assert outcome["counts"]["refused"] >= 1


def test_without_a_fence_its_write_comes_after_the_next_holders(stopped: list[Any]) -> None:
    _, outcome = stopped
    assert outcome["broken"] == ["stale write"]


@pytest.fixture(scope="module")
def skewed() -> list[list[float]]:
    """For how long two believed at a time, by what the clock of the next primary is ahead."""
    return [outcome["overlaps"] for outcome in outcomes("skew +0.8", "skew -2", "skew +2.5")]


def test_a_next_primary_whose_clock_is_ahead_by_less_than_the_margin_lets_nobody_in_early(
    skewed: list[list[float]],
) -> None:
    ahead, behind, _ = skewed
    assert ahead
    assert behind
    assert max(ahead + behind) == 0


def test_one_that_is_further_ahead_costs_the_difference(skewed: list[list[float]]) -> None:
    *_, overlaps = skewed
    assert min(overlaps) > 0
    assert max(overlaps) < 1.6  # 2.5 s ahead, less the margin of 1 s


def test_wall_clocks_of_clients_do_not_matter() -> None:
    (outcome,) = outcomes("jumping-clients")
    assert outcome["broken"] == []
    assert outcome["counts"]["begin"] > 50
    assert outcome["counts"]["run"] > 3
