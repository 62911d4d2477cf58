"""A waiter's place in the queue: a state machine, and when it asks or looks."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from typing import Any

import pytest
from waiters import now

from mongolock_async._engine.backend import Call
from mongolock_async._engine.place import Place, State
from mongolock_async._memory.clock import MemoryClock
from mongolock_async._protocol.reply import Grant, Person, Reply

CLAIMED, QUEUED, CALLED = State.CLAIMED, State.QUEUED, State.CALLED
GRANTED, LOST, WITHDRAWN = State.GRANTED, State.LOST, State.WITHDRAWN

CALL = Call("cron", "s.1", "a moment")
GRANT = Grant(7, 10.0)


def reply(place: int | None, *, next_ms: int | None = 20_000, waiting: int = 1) -> Reply:
    """So many stand before it in the queue; -1 or None: it is not there."""
    holder: Person = {"owner": "a", "weight": 1, "token": 6, "age_ms": 10, "left_ms": 90_000}
    return Reply({"holders": [holder], "place": place, "next_ms": next_ms, "waiting": waiting})


Happening = Callable[[Place], None]

HAPPENINGS: dict[str, Happening] = {
    "asks": lambda place: place.asks(),
    "answered: queued": lambda place: place.answered(reply(3)),
    "answered: not queued": lambda place: place.answered(reply(-1)),
    "answered: no lock": lambda place: place.answered(reply(None)),
    "answered: no document": lambda place: place.answered(None),
    "stands": lambda place: place.stands(reply(2)),
    "called": lambda place: place.called(CALL),
    "granted": lambda place: place.granted(now(), GRANT),
    "unheard": lambda place: place.unheard(),
    "renewed": lambda place: place.renewed(now()),
    "gone": lambda place: place.gone(),
    "withdraw": lambda place: place.withdraw(),
}
WAYS: dict[State, list[Happening]] = {
    CLAIMED: [],
    QUEUED: [HAPPENINGS["answered: queued"]],
    CALLED: [HAPPENINGS["answered: queued"], HAPPENINGS["called"]],
    GRANTED: [HAPPENINGS["granted"]],
    LOST: [HAPPENINGS["answered: not queued"]],
    WITHDRAWN: [HAPPENINGS["withdraw"]],
}
# Where each happening leads from each state; what is not named changes nothing at all.
WAITS = {"called": CALLED, "granted": GRANTED, "withdraw": WITHDRAWN}
LEADS: dict[State, dict[str, State]] = {
    CLAIMED: {
        "answered: queued": QUEUED,
        "answered: not queued": LOST,
        "answered: no lock": LOST,
        "answered: no document": LOST,
        "called": CLAIMED,
        "granted": GRANTED,
        "unheard": QUEUED,
        "withdraw": WITHDRAWN,
    },
    QUEUED: {"asks": CLAIMED, **WAITS},
    CALLED: {"asks": CLAIMED, **WAITS},
    GRANTED: {},
    LOST: {"withdraw": WITHDRAWN},
    WITHDRAWN: {"withdraw": WITHDRAWN},
}
# They say when to look, which is of no consequence when all is over.
TIMES = {"stands", "renewed", "gone"}
FREE = {"look_due", "ask_due", "before", "only", "news", "_pauses", "_told"}
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
    return copy.copy({**vars(place), "news": place.news.is_set(), "_pauses": place._pauses._next})


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
        assert all_of(place) != before or state is WITHDRAWN
    elif happening in TIMES:
        assert all_of(place) != before
        assert {name for name, value in all_of(place).items() if value != before[name]} <= FREE
    else:
        assert all_of(place) == before


@pytest.mark.parametrize("state", State)
async def test_a_place_waits_while_it_is_queued_or_called(place: Place, state: State) -> None:
    await brought_to(place, state)
    assert place.waits == (state in {QUEUED, CALLED})


@pytest.mark.parametrize("happening", ["called", "granted", "gone", "withdraw"])
async def test_a_waiter_that_sleeps_in_the_queue_is_woken(place: Place, happening: str) -> None:
    await brought_to(place, QUEUED)
    HAPPENINGS[happening](place)
    assert place.news.is_set()


@pytest.mark.parametrize("happening", ["renewed", "stands"])
async def test_what_brings_no_news_wakes_nobody(place: Place, happening: str) -> None:
    await brought_to(place, QUEUED)
    HAPPENINGS[happening](place)
    assert not place.news.is_set()


async def test_a_grant_is_kept_with_the_moment_at_which_it_was_asked_for(place: Place) -> None:
    await brought_to(place, QUEUED)
    place.granted(0.5, GRANT)
    place.granted(0.7, Grant(8, 30.0))  # told twice: the first one counts
    assert place.grant == (0.5, GRANT)


async def test_a_call_may_overtake_the_answer(place: Place) -> None:
    place.called(CALL)
    assert (place.state, place.waits) == (CLAIMED, False)
    place.answered(reply(3))
    assert (place.state, place.call) == (CALLED, CALL)


async def test_a_question_forgets_the_call_before_it(place: Place) -> None:
    await brought_to(place, CALLED)
    place.asks()
    assert place.call is None
    place.answered(reply(0))
    assert place.state is QUEUED


async def test_of_two_calls_the_last_one_counts(place: Place) -> None:
    await brought_to(place, CALLED)
    later = Call("cron", "s.1", "a later moment")
    place.called(later)
    assert place.call is later


@pytest.mark.parametrize("state", [QUEUED, CALLED])
async def test_an_answer_to_nothing_that_was_asked_is_none(place: Place, state: State) -> None:
    await brought_to(place, state)
    place.answered(None)
    assert place.state is state


async def test_without_an_answer_it_looks_at_once(place: Place) -> None:
    await brought_to(place, CALLED)
    place.asks()
    await asyncio.sleep(0.5)
    place.unheard()
    assert (place.state, place.look_due) == (QUEUED, now())


async def test_where_a_refresh_does_not_find_it_it_looks_at_once(place: Place) -> None:
    await brought_to(place, QUEUED)
    place.gone()
    assert (place.state, place.look_due) == (QUEUED, now())


@pytest.mark.parametrize("answer", ["answered", "stands"])
async def test_an_answer_says_who_stands_before_it_and_when_to_ask(place: Place, answer: str) -> None:
    await asyncio.sleep(5)
    getattr(place, answer)(reply(3, waiting=5))
    assert place.before == 3
    assert place.ask_due == pytest.approx(5 + 20 + 0.002 + 3 * 0.050)
    await asyncio.sleep(5)
    place.stands(reply(0, next_ms=1000))
    assert place.before == 0
    assert place.ask_due == pytest.approx(10 + 1 + 0.002)


async def test_those_at_the_end_of_a_long_queue_leave_the_others_5_s(place: Place) -> None:
    place.answered(reply(2000))
    assert place.ask_due == pytest.approx(20 + 0.002 + 5)


async def test_where_nobody_has_an_expiry_it_asks_when_any_place_must_have_expired(place: Place) -> None:
    place.answered(reply(1, next_ms=None))
    assert place.ask_due == pytest.approx(10 + 0.002 + 0.050)


async def test_the_pauses_between_looks_grow_from_1_s_to_5_s_and_a_refresh_is_a_look(place: Place) -> None:
    place.answered(reply(0))
    for number, pause in enumerate((1, 1.5, 2.25, 3.375, 5, 5, 5)):
        assert 0.9 * pause <= place.look_due - now() <= pause
        await asyncio.sleep(place.look_due - now())
        if number in {0, 2}:
            place.renewed(now())
        else:
            place.stands(reply(0))


async def test_refreshes_leave_no_more_than_8_s_without_being_told_of_the_others(place: Place) -> None:
    """Of those before it, one may have been granted the lock that is dead, and lives for 10 s."""
    for _ in range(10):
        place.stands(reply(3))
        told = now()
        for _ in range(7):
            await asyncio.sleep(1)
            place.renewed(now())
            assert place.look_due <= told + 8
    assert place.look_due == told + 8


async def test_a_refresh_never_has_it_look_sooner(place: Place) -> None:
    for _ in range(5):
        place.stands(reply(0))
    due = place.look_due
    await asyncio.sleep(4)
    place.renewed(-2.0)  # sent long ago
    assert place.look_due == due
