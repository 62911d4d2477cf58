"""When a waiter may believe an event."""

from __future__ import annotations

from typing import Any

import pytest

from mongolock_async import _clock
from mongolock_async._document import Reply
from mongolock_async._place import Place
from mongolock_async._stream import Call, read


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(_clock, "now", lambda: now[0])
    return now


@pytest.fixture
async def place(clock: list[float]) -> Place:
    """Third in the queue, behind a holder with token 50 and 20 s left."""
    place = Place("cron", "s.1")
    holder: dict[str, Any] = {"owner": "a", "weight": 1, "token": 50, "age_ms": 10, "left_ms": 20_000}
    place.heard(clock[0], Reply({"mine": {}, "holders": [holder], "place": 2, "capacity": 1}))
    return place


async def test_a_grant_counts_from_the_last_answer(place: Place, clock: list[float]) -> None:
    clock[0] += 2
    place.call = Call("s.1", 51)
    assert place.granted(30) == (51, 1000.0)


async def test_a_refreshed_place_is_an_answer(place: Place, clock: list[float]) -> None:
    place.confirm(1003.0, 10)
    clock[0] += 5
    place.call = Call("s.1", 51)
    assert place.granted(30) == (51, 1003.0)


async def test_an_event_long_after_the_last_answer_is_not_believed(place: Place, clock: list[float]) -> None:
    place.call = Call("s.1", 51)
    clock[0] += 7.4
    assert place.granted(30)
    clock[0] += 0.2
    assert place.granted(30) is None


async def test_an_event_that_is_older_than_the_last_answer_is_not_believed(place: Place) -> None:
    place.call = Call("s.1", 50)
    assert place.granted(30) is None


async def test_an_event_without_a_token_is_not_believed(place: Place) -> None:
    assert place.granted(30) is None
    place.call = Call("s.1", None)
    assert place.granted(30) is None


async def test_one_that_is_third_tries_a_tenth_of_a_second_after_the_expiry(place: Place) -> None:
    assert 1020.1 < place.due < 1020.11


def test_an_update_says_whom_it_calls() -> None:
    event = {"updateDescription": {"updatedFields": {"granted": "s.1", "token": 7}}}
    assert read(event) == [Call("s.1", 7)]


def test_an_update_with_several_grants_does_not_say_whose_token_it_is() -> None:
    event = {"updateDescription": {"updatedFields": {"granted": "s.1 t.2", "token": 7}}}
    assert read(event) == [Call("s.1", None), Call("t.2", None)]


def test_a_replacement_calls_only_those_who_hold_it() -> None:
    holders = [{"lease": "s.1", "token": 7}, {"lease": "s.4", "token": 8}]
    event = {"fullDocument": {"granted": "s.1 s.2", "token": 8, "holders": holders}}
    assert read(event) == [Call("s.1", 7)]
