"""Answers, as they are read."""

from __future__ import annotations

import pytest

from mongolock_async._protocol.kind import MUTEX, Size
from mongolock_async._protocol.reply import Answer, Grant, Granted, Person, Reply, Tick, TickAnswer

HOLDER: Person = {"owner": "me", "weight": 1, "age_ms": 20, "left_ms": 1500, "token": 7}


def answer(place: int | None = -1) -> Answer:
    return {"holders": [], "place": place, "capacity": 3}


def test_a_grant_is_its_token_and_the_seconds_that_are_left() -> None:
    assert Reply({"mine": {"token": 7, "left_ms": 1500, "age_ms": 20}}).grant == Grant(7, 1.5, 0.02)


def test_an_answer_without_a_lease_of_ones_own_is_no_grant() -> None:
    assert not Reply(answer()).grant


def test_the_first_place_of_the_queue_is_0() -> None:
    assert Reply(answer(place=0)).place == 0


@pytest.mark.parametrize("nowhere", [-1, None])
def test_one_that_is_not_queued_has_no_place(nowhere: int | None) -> None:
    assert Reply(answer(place=nowhere)).place is None


def test_the_next_expiry_is_in_seconds() -> None:
    assert Reply(answer() | {"next_ms": 500}).next_expiry == 0.5


@pytest.mark.parametrize("nothing", [{}, {"next_ms": None}])
def test_of_a_lock_that_nobody_holds_there_is_no_expiry(nothing: Answer) -> None:
    assert Reply(answer() | nothing).next_expiry is None


@pytest.mark.parametrize(("waiting", "alone"), [(0, True), (1, True), (2, False)])
def test_one_waits_alone_where_nobody_else_does(waiting: int, *, alone: bool) -> None:
    assert Reply(answer() | {"waiting": waiting}).alone is alone


@pytest.mark.parametrize(
    ("told", "taken"),
    [
        ({}, False),
        ({"place": None}, False),
        ({"place": 0, "waiting": 2}, False),
        ({"place": 1, "waiting": 2}, True),
        ({"place": -1, "waiting": 1}, True),
        ({"holders": [HOLDER], "place": 0, "capacity": 2}, True),
        ({"holders": [HOLDER], "place": 0, "capacity": 3}, False),
        ({"holders": [HOLDER], "place": 1, "capacity": 3}, True),
        ({"holders": [HOLDER], "place": 0, "capacity": 3, "kind": "mutex"}, True),
        ({"holders": [HOLDER], "place": 0, "capacity": 2, "fits": True}, False),
        ({"mine": {"token": 7, "left_ms": 1500, "age_ms": 20}}, False),
    ],
)
def test_a_lock_is_taken_where_others_are_in_the_way(told: Answer, *, taken: bool) -> None:
    kind: Answer = {"kind": "semaphore"}
    assert Reply(kind | told).taken_for(Size("semaphore", 2, None)) is taken


def test_a_holder_may_be_left_out() -> None:
    told: Answer = {"holders": [HOLDER], "kind": "mutex", "capacity": 1}
    assert [Reply(told).taken_for(MUTEX, but=token) for token in (None, 6, 7)] == [True, True, False]


def test_whom_a_command_has_granted_is_told_with_their_ears() -> None:
    granted: list[Granted] = [{"lease": "a.1", "ear": "e"}, {"lease": "b.1"}]
    assert Reply({"granted": granted}).granted == granted


def test_an_answer_that_does_not_say_so_grants_nobody_and_does_not_fit() -> None:
    reply = Reply(answer())
    assert (list(reply.granted), reply.fits) == ([], False)


@pytest.mark.parametrize(("last", "told"), [(5000, 5000), (None, 0)])
def test_a_tick_tells_the_time_and_what_was_served(last: int | None, told: int) -> None:
    answered: TickAnswer = {"now_ms": 7250, "last_ms": last}
    assert Reply(answer(), answered).tick == Tick(7250, told)
