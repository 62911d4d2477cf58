"""The whole protocol, explored (docs/model.md)."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
from exploration.bounds import Bounds
from exploration.explorer import Explorer, Result
from exploration.form import digest
from exploration.mutations import MUTATIONS, Mutation
from exploration.plans import everything
from exploration.properties import PROPERTIES
from exploration.protocol import Protocol
from exploration.step import Cause
from exploration.steps import Steps
from exploration.trace import rendered
from exploration.world import Session, World

DOCS = Path(__file__).parents[2] / "docs" / "model.md"
EACH = pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)


@cache
def counter_example(mutation: Mutation) -> Result:
    return Explorer(mutation.protocol, mutation.bounds, (mutation.breaks,)).run()


def test_the_protocol_keeps_every_property_within_six_steps_of_a_free_and_of_a_held_lock() -> None:
    result = Explorer(Protocol(), everything(6).bounds, PROPERTIES).run()
    assert result.broken is None
    assert result.causes == set(get_args(Cause))


def test_two_sessions_that_try_and_renew_keep_every_property_however_long_it_goes_on() -> None:
    bounds = Bounds(2, 0, unheard=1, ahead=(0,), moves=frozenset({"try", "renew"}))
    result = Explorer(Protocol(), bounds, PROPERTIES).run()
    assert result.broken is None
    assert result.complete


@EACH
def test_a_mutation_breaks_the_property_that_is_named_for_it(mutation: Mutation) -> None:
    assert counter_example(mutation).broken is mutation.breaks


@pytest.mark.parametrize(
    "mutation",
    # In one it is the clock that is wrong, and not the protocol.
    [mutation for mutation in MUTATIONS if mutation.protocol != Protocol()],
    ids=lambda mutation: mutation.name,
)
def test_the_protocol_itself_keeps_it_where_the_mutation_breaks_it(mutation: Mutation) -> None:
    bounds = replace(mutation.bounds, depth=counter_example(mutation).depth)
    assert Explorer(Protocol(), bounds, (mutation.breaks,)).run().broken is None


@EACH
def test_the_docs_show_the_counter_example(mutation: Mutation) -> None:
    assert f"\n{rendered(mutation, counter_example(mutation))}\n" in DOCS.read_text()


def test_each_property_is_broken_by_a_mutation() -> None:
    assert {mutation.breaks for mutation in MUTATIONS} == set(PROPERTIES)


@pytest.mark.parametrize(
    ("bounds", "depth"), [(Bounds(2, 1, unheard=1, queued=True), 6), (Bounds(queued=True), 4)]
)
def test_worlds_of_one_form_have_the_same_future(bounds: Bounds, depth: int) -> None:
    steps = Steps(Protocol(), bounds)
    first = {digest(world): world for world in bounds.starts()}
    frontier = list(first.values())
    merged = 0
    for _ in range(depth):
        reached = []
        for world in (step.after for origin in frontier for step in steps.after(origin)):
            like = first.setdefault(digest(world), world)
            if like is world:
                reached.append(world)
            elif like != world:
                merged += 1
                assert future(steps, like) == future(steps, world)
        frontier = reached
    assert merged > 500


def future(steps: Steps, world: World) -> set[bytes]:
    return {digest(step.after) for step in steps.after(world)}


def test_the_names_of_sessions_make_no_difference() -> None:
    asking = Session("asking", "A.1", 1, since=1)
    assert digest(World((asking, Session()))) == digest(World((Session(), asking)))
