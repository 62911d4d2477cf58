"""A waiter's place in the queue: a state machine, and when it believes a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from waiters import now

from mongolock_async._engine.backend import Call
from mongolock_async._engine.place import Place, State
from mongolock_async._memory.clock import MemoryClock
from mongolock_async._protocol.reply import Person, Reply

CLAIMED, QUEUED, CALLED = State.CLAIMED, State.QUEUED, State.CALLED
GRANTED, LOST, WITHDRAWN = State.GRANTED, State.LOST, State.WITHDRAWN

OLD = 50
NEW = Call("s.1", OLD + 1)


def reply(place: int | None, *, left_ms: int | None = 20_000, token: int = OLD) -> Reply:
    """So many stand before it in the queue; -1 or None: it is not there. The lock is held, or free."""
    holder: Person = {"owner": "a", "weight": 1, "token": token, "age_ms": 10, "left_ms": left_ms or 0}
    return Reply({"mine": {}, "holders": [holder] if left_ms else [], "place": place, "capacity": 1})


Happening = Callable[[Place], None]

HAPPENINGS: dict[str, Happening] = {
    "asks": lambda place: place.asks(),
    "answered: queued": lambda place: place.answered(now(), reply(3, token=OLD + 1)),
    "answered: not queued": lambda place: place.answered(now(), reply(-1)),
    "answered: no document": lambda place: place.answered(now(), None),
    "called": lambda place: place.called(NEW),
    "granted": lambda place: place.granted(),
    "renewed": lambda place: place.renewed(now()),
    "gone": lambda place: place.gone(),
    "withdraw": lambda place: place.withdraw(),
}
WAYS: dict[State, list[Happening]] = {
    CLAIMED: [],
    QUEUED: [HAPPENINGS["answered: queued"]],
    CALLED: [HAPPENINGS["answered: queued"], HAPPENINGS["called"]],
    GRANTED: [HAPPENINGS["granted"]],
    LOST: [HAPPENINGS["gone"]],
    WITHDRAWN: [HAPPENINGS["withdraw"]],
}
# Where each happening leads from each state; what is not named changes nothing at all.
LEADS: dict[State, dict[str, State]] = {
    CLAIMED: {
        "answered: queued": QUEUED,
        "answered: not queued": LOST,
        "answered: no document": LOST,
        "called": CLAIMED,
        "granted": GRANTED,
        "renewed": CLAIMED,
        "gone": LOST,
        "withdraw": WITHDRAWN,
    },
    QUEUED: {
        "asks": CLAIMED,
        "called": CALLED,
        "granted": GRANTED,
        "renewed": QUEUED,
        "gone": LOST,
        "withdraw": WITHDRAWN,
    },
    CALLED: {
        "asks": CLAIMED,
        "called": CALLED,
        "granted": GRANTED,
        "renewed": CALLED,
        "gone": LOST,
        "withdraw": WITHDRAWN,
    },
    # A renewal may be answered when all is over: that is of no consequence.
    GRANTED: {"renewed": GRANTED},
    LOST: {"granted": GRANTED, "renewed": LOST, "withdraw": WITHDRAWN},
    WITHDRAWN: {"granted": GRANTED, "renewed": WITHDRAWN, "withdraw": WITHDRAWN},
}
PAIRS = [(state, happening) for state in State for happening in HAPPENINGS]


@pytest.fixture
async def place() -> Place:
    return Place("cron", "s.1", MemoryClock())


async def brought_to(place: Place, state: State) -> None:
    """It has been in this state for a second."""
    for happen in WAYS[state]:
        happen(place)
    place.news.clear()
    await asyncio.sleep(1)
    assert place.state is state


def all_of(place: Place) -> dict[str, Any]:
    return {**vars(place), "news": place.news.is_set()}


@pytest.mark.parametrize(
    ("state", "happening"), PAIRS, ids=lambda it: it.name if isinstance(it, State) else it
)
async def test_each_happening_leads_where_it_should_or_changes_nothing(
    place: Place, state: State, happening: str
) -> None:
    await brought_to(place, state)
    before = all_of(place)
    HAPPENINGS[happening](place)
    if happening in LEADS[state]:
        assert place.state is LEADS[state][happening]
    else:
        assert all_of(place) == before


@pytest.mark.parametrize("state", State)
async def test_a_place_waits_while_it_is_queued_or_called(place: Place, state: State) -> None:
    await brought_to(place, state)
    assert place.waits == (state in {QUEUED, CALLED})


@pytest.mark.parametrize("happening", ["called", "gone", "withdraw"])
async def test_a_waiter_that_sleeps_in_the_queue_is_woken(place: Place, happening: str) -> None:
    await brought_to(place, QUEUED)
    HAPPENINGS[happening](place)
    assert place.news.is_set()


async def test_a_renewal_wakes_nobody(place: Place) -> None:
    await brought_to(place, QUEUED)
    place.renewed(now())
    assert not place.news.is_set()


async def test_a_call_may_overtake_the_answer(place: Place) -> None:
    place.called(NEW)
    assert (place.state, place.waits) == (CLAIMED, False)
    place.answered(0, reply(3))
    assert place.state is CALLED
    assert place.told(30) == (NEW.token, 0)


async def test_a_question_forgets_the_call_before_it(place: Place) -> None:
    await brought_to(place, CALLED)
    place.asks()
    place.answered(now(), reply(0))
    assert place.state is QUEUED
    assert place.told(30) is None


async def test_an_answer_says_who_stands_before_it_and_when_to_ask_again(place: Place) -> None:
    await asyncio.sleep(5)
    place.answered(4, reply(3))
    assert place.before == 3
    assert place.due == pytest.approx(5 + 20 + 0.002 + 3 * 0.050)


async def test_where_nobody_holds_the_lock_it_asks_again_when_the_first_place_must_have_expired(
    place: Place,
) -> None:
    place.answered(0, reply(1, left_ms=None))
    assert place.due == pytest.approx(10 + 0.002 + 0.050)


async def test_a_look_says_where_it_stands_and_is_no_answer(place: Place) -> None:
    place.answered(0, reply(3))
    await asyncio.sleep(5)
    place.stands(reply(1, left_ms=1000))
    assert place.before == 1
    assert place.due == pytest.approx(5 + 1 + 0.002 + 0.050)
    place.called(NEW)
    assert place.told(30) == (NEW.token, 0)


async def test_a_call_counts_from_the_sending_of_the_last_answered_question(place: Place) -> None:
    await asyncio.sleep(3)
    place.answered(2, reply(3))
    await asyncio.sleep(2)
    place.called(NEW)
    assert place.told(30) == (NEW.token, 2)


async def test_a_refreshed_place_is_an_answer(place: Place) -> None:
    place.answered(0, reply(3))
    await asyncio.sleep(8)
    place.renewed(7)
    place.renewed(6)  # answered later, and sent before
    place.called(NEW)
    assert place.told(30) == (NEW.token, 7)


@pytest.mark.parametrize(("age", "believed"), [(0, True), (7.5, True), (7.501, False), (3600, False)])
async def test_a_call_is_believed_for_a_quarter_of_the_ttl_after_the_last_answer(
    place: Place, age: float, *, believed: bool
) -> None:
    place.answered(0, reply(3))
    place.called(NEW)
    await asyncio.sleep(age)
    assert (place.told(30) is not None) == believed


@pytest.mark.parametrize(
    ("token", "believed"), [(OLD - 1, False), (OLD, False), (OLD + 1, True), (None, False)]
)
async def test_a_call_is_believed_if_its_token_is_newer_than_those_of_the_last_answer(
    place: Place, token: int | None, *, believed: bool
) -> None:
    place.answered(0, reply(3))
    place.called(Call("s.1", token))
    assert (place.told(30) is not None) == believed


async def test_of_two_calls_the_last_one_counts(place: Place) -> None:
    await brought_to(place, QUEUED)
    place.called(NEW)
    place.called(Call("s.1", None))
    assert place.told(30) is None


async def test_nothing_is_told_before_it_was_answered(place: Place) -> None:
    place.called(NEW)
    assert place.told(30) is None


async def test_nothing_is_told_before_it_is_called(place: Place) -> None:
    place.answered(0, reply(0))
    assert place.told(30) is None
