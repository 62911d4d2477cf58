"""What long programs tell of how far they are."""

from __future__ import annotations

import asyncio

import pytest
from exploration.bounds import Bounds
from exploration.explorer import Explorer
from exploration.properties import PROPERTIES
from exploration.protocol import Protocol
from progress import passing

from benchmarks._shown import Shown

SMALL = Bounds(2, 0, depth=4, unheard=1, ahead=(0,), moves=frozenset({"try", "release"}))


async def test_a_file_gets_no_line_that_moves(capsys: pytest.CaptureFixture[str]) -> None:
    async with passing("mixed faults", 30):
        await asyncio.sleep(0)
        print("a fault")
    assert capsys.readouterr().out == "a fault\n"


def test_a_file_gets_a_line_for_each_measurement_beside_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    with Shown({"tasks": 2, "load": 1}) as shown:
        for part in ("tasks", "tasks", "load"):
            shown.measured(part)
    shown_to = capsys.readouterr()
    assert shown_to.err == "tasks, 1 of 2\ntasks, 2 of 2\nload, 1 of 1\n"
    assert shown_to.out == ""


def test_an_exploration_tells_how_many_states_each_depth_has() -> None:
    told: list[tuple[int, int, int]] = []
    result = Explorer(Protocol(), SMALL, PROPERTIES, lambda *how_far: told.append(how_far)).run()
    begun = [(depth, of) for depth, done, of in told if done == 0]
    assert [depth for depth, _ in begun] == list(range(4))
    assert sum(of for _, of in begun) < result.states
