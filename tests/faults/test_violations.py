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


@pytest.fixture(autouse=True)
def _possible() -> None:
    if reason := unavailable() or clock_unavailable():
        if os.environ.get("FAULTS_REQUIRED"):
            pytest.fail(f"this machine must have what the faults need: {reason}")
        pytest.skip(reason)


def scenario(*arguments: str) -> Any:
    command = [sys.executable, "-m", "chaos.scenarios", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    print(run.stdout)
    return json.loads(run.stdout.splitlines()[-1])


def test_what_a_cut_off_primary_acknowledges_is_nothing() -> None:
    outcome = scenario("cut-off")
    assert outcome["broken"] == []
    assert outcome["acknowledged by the cut-off primary"] == 0
    assert outcome["counts"]["begin"] > 0


def test_with_claims_that_one_node_acknowledges_two_hold_the_lock() -> None:
    outcome = scenario("cut-off", "w1")
    assert outcome["broken"] == ["overlap"]


def test_a_holder_that_was_stopped_before_its_write_is_refused() -> None:
    outcome = scenario("stopped")
    assert outcome["broken"] == []
    assert outcome["counts"]["refused"] >= 1


def test_without_a_fence_its_write_comes_after_the_next_holders() -> None:
    outcome = scenario("stopped", "unfenced")
    assert outcome["broken"] == ["stale write"]


@pytest.mark.parametrize("ahead", ["+0.8", "-2"])
def test_a_next_primary_whose_clock_is_ahead_by_less_than_the_margin_lets_nobody_in_early(ahead: str) -> None:
    assert max(scenario("skew", ahead)["overlaps"]) == 0


def test_one_that_is_further_ahead_costs_the_difference() -> None:
    overlaps = scenario("skew", "+2.5")["overlaps"]
    assert min(overlaps) > 0
    assert max(overlaps) < 1.6  # 2.5 s ahead, less the margin of 1 s


def test_wall_clocks_of_clients_do_not_matter() -> None:
    outcome = scenario("jumping-clients")
    assert outcome["broken"] == []
    assert outcome["counts"]["begin"] > 200
    assert outcome["counts"]["run"] > 10
