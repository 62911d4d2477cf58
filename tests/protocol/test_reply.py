"""Answers, as they are read."""

from __future__ import annotations

import pytest

from mongolock_async._protocol.reply import Answer, Grant, Mine, Person, Reply, Tick


def answer(*holders: Person, mine: Mine | None = None, place: int | None = -1) -> Answer:
    return {"mine": mine or {}, "holders": list(holders), "place": place, "capacity": 3}


def holder(token: int, left_ms: int) -> Person:
    return {"owner": "somebody", "weight": 1, "age_ms": 5, "left_ms": left_ms, "token": token}


def test_a_grant_is_its_token_and_the_seconds_that_are_left() -> None:
    assert Reply(answer(mine={"token": 7, "left_ms": 1500})).grant == Grant(7, 1.5)


def test_without_a_token_there_is_no_grant() -> None:
    # The server computes the time that is left of nothing: null.
    for nothing in ({}, {"left_ms": None}):
        assert Reply(answer(mine=nothing)).grant is None  # type: ignore[arg-type]  # as it comes


def test_the_first_place_of_the_queue_is_0() -> None:
    assert Reply(answer(place=0)).place == 0


@pytest.mark.parametrize("nowhere", [-1, None])
def test_one_that_is_not_queued_has_no_place(nowhere: int | None) -> None:
    assert Reply(answer(place=nowhere)).place is None


def test_the_next_expiry_is_that_of_whoever_expires_first() -> None:
    assert Reply(answer(holder(1, 2000), holder(2, 500))).next_expiry == 0.5


def test_the_newest_is_the_greatest_token_of_the_holders() -> None:
    assert Reply(answer(holder(4, 1), holder(9, 1), holder(6, 1))).newest == 9


def test_of_a_lock_that_nobody_holds_there_is_no_expiry_and_no_newest() -> None:
    reply = Reply(answer())
    assert (reply.next_expiry, reply.newest) == (None, 0)


def test_a_tick_tells_the_time_to_the_next_in_seconds() -> None:
    told = answer()
    told["tick"] = {"boundary_ms": 5000, "served": True, "next_ms": 250}
    assert Reply(told).tick == Tick(5000, True, 0.25)
