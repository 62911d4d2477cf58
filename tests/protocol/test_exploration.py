"""The whole protocol, explored (docs/model.md)."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import get_args

import pytest
from exploration.bounds import Bounds
from exploration.explorer import Explorer, Result
from exploration.form import digest
from exploration.mutation import Mutation
from exploration.mutations import MUTATIONS
from exploration.plans import Plan, adoptions, capacities, done_once, everything, keeping, upgrades, weights
from exploration.properties import PROPERTIES
from exploration.protocol import Protocol
from exploration.step import Cause
from exploration.steps import Steps
from exploration.trace import rendered
from exploration.world import MARGIN, Member, World

pytestmark = pytest.mark.usefixtures("untraced")

# The document's own code runs a million times here; to count its lines would take twice as long.

DOCS = Path(__file__).parents[2] / "docs" / "model.md"


SHORT = [weights(5), upgrades(4), keeping(3), done_once(3), adoptions(4), capacities(4)]
LONG = [weights(8), upgrades(6), keeping(7), done_once(7), adoptions(7), capacities(7)]


def explored(depth: int) -> Result:
    return Explorer(Protocol(), everything(depth).bounds, PROPERTIES).run()


def to_its_end(*moves: str) -> Result:
    """All that becomes of two members that do this, where nothing fails."""
    bounds = Bounds(2, 0, unheard=1, ahead=(0,), moves=frozenset(moves))
    return Explorer(Protocol(), bounds, PROPERTIES).run()


def test_the_protocol_keeps_every_property_within_four_steps_of_a_free_and_of_a_held_lock() -> None:
    assert explored(4).broken is None


@pytest.mark.long
def test_the_protocol_keeps_every_property_within_five_steps_of_a_free_and_of_a_held_lock() -> None:
    result = explored(5)
    assert result.broken is None
    assert result.causes == set(get_args(Cause))


@pytest.mark.long
def test_the_protocol_keeps_every_property_within_six_steps_of_a_free_and_of_a_held_lock() -> None:
    assert explored(6).broken is None


@pytest.mark.parametrize("plan", [*SHORT, *(pytest.param(plan, marks=pytest.mark.long) for plan in LONG)])
def test_a_lock_of_each_kind_keeps_every_property(plan: Plan) -> None:
    assert Explorer(Protocol(), plan.bounds, PROPERTIES).run().broken is None


def test_two_members_that_try_and_release_keep_every_property_however_long_it_goes_on() -> None:
    result = to_its_end("try", "release")
    assert result.broken is None
    assert result.complete


@pytest.mark.long
def test_two_members_that_try_and_renew_keep_every_property_however_long_it_goes_on() -> None:
    result = to_its_end("try", "renew")
    assert result.broken is None
    assert result.complete


# Of the module's scope, so that the tests of one mutation come one after the other, and search once.
@pytest.fixture(scope="module", params=MUTATIONS, ids=lambda mutation: mutation.name)
def mutation(request: pytest.FixtureRequest) -> Mutation:
    mutation: Mutation = request.param
    return mutation


@cache
def counter_example(mutation: Mutation) -> Result:
    return Explorer(mutation.protocol, mutation.bounds, (mutation.breaks,)).run()


def test_a_mutation_breaks_the_property_that_is_named_for_it(mutation: Mutation) -> None:
    assert counter_example(mutation).broken is mutation.breaks


def test_the_docs_show_the_counter_example(mutation: Mutation) -> None:
    assert f"\n{rendered(mutation, counter_example(mutation))}\n" in DOCS.read_text()


@pytest.mark.long
def test_the_protocol_itself_keeps_it_where_the_mutation_breaks_it(mutation: Mutation) -> None:
    # One mutation is a clock that is ahead by more than the margin.
    within = tuple(ahead for ahead in mutation.bounds.ahead if ahead <= MARGIN)
    bounds = replace(mutation.bounds, depth=counter_example(mutation).depth, ahead=within)
    assert Explorer(Protocol(), bounds, (mutation.breaks,)).run().broken is None


def test_each_property_is_broken_by_a_mutation() -> None:
    assert {mutation.breaks for mutation in MUTATIONS} == set(PROPERTIES)


TWO = Bounds(2, 1, unheard=1, queued=True)
THREE = Bounds(queued=True)
# An upgradable reader and a reader.
SHARED = replace(upgrades(0).bounds, members=2)


@pytest.mark.parametrize(
    ("bounds", "depth"),
    [
        (TWO, 4),
        (THREE, 3),
        (SHARED, 5),
        (adoptions(0).bounds, 4),
        pytest.param(TWO, 6, marks=pytest.mark.long),
        pytest.param(THREE, 4, marks=pytest.mark.long),
        pytest.param(SHARED, 6, marks=pytest.mark.long),
        *(
            pytest.param(plan(0).bounds, 6, marks=pytest.mark.long)
            for plan in (weights, keeping, done_once, adoptions, capacities)
        ),
    ],
)
def test_worlds_of_one_form_have_the_same_future(bounds: Bounds, depth: int) -> None:
    steps = Steps(Protocol(), bounds)
    first = {digest(world): world for world in map(partial(opened, steps), bounds.starts())}
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
    assert merged > 100


def opened(steps: Steps, world: World) -> World:
    for beginning in steps.bounds.opening:
        world = next(step.after for step in steps.after(world) if step.text.startswith(beginning))
    return world


def future(steps: Steps, world: World) -> set[bytes]:
    return {digest(step.after) for step in steps.after(world)}


def test_the_names_of_members_make_no_difference() -> None:
    asking = Member("asking", "A.1", 1, since=1)
    assert digest(World((asking, Member()))) == digest(World((Member(), asking)))
