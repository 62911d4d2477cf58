"""One screen of ``watch``."""

from __future__ import annotations

import pytest
from cli.shown import holder, lines, lock, waiter
from rich.cells import cell_len

from mongolock_async._cli.frames import Seen, frame

MANY = [lock(f"lock-{number:03}", holder(), waiter()) for number in range(500)]
SEEN = Seen("mongolock.locks", "16:02:31", MANY)


def screen(seen: Seen = SEEN, trouble: str = "", width: int = 80, height: int = 24) -> list[str]:
    return lines(frame(seen, trouble, width, height), width)


def test_a_frame_shows_as_many_locks_as_fit_and_says_how_many_more_there_are() -> None:
    shown = screen()
    assert len(shown) == 24
    assert shown[0] == "mongolock.locks  500 locks, 500 held, 500 waiting  16:02:31"
    assert [line.split()[0] for line in shown[3:-1]] == [f"lock-{number:03}" for number in range(20)]
    assert shown[-1] == "q: leave  480 more; --held, --sort or a longer PREFIX shows others"


@pytest.mark.parametrize("number", [0, 1, 19, 20])
def test_a_frame_in_which_all_have_room_fills_the_screen(number: int) -> None:
    shown = screen(Seen("mongolock.locks", "", MANY[:number]))
    assert len(shown) == 24
    assert shown[-1] == "q: leave"


def test_one_that_does_not_fit_is_said_to_be_there() -> None:
    assert "1 more" in screen(Seen("mongolock.locks", "", MANY[:21]))[-1]


def test_trouble_is_one_line_and_moves_nothing() -> None:
    quiet, troubled = screen(), screen(trouble="No answer. " * 20)
    assert troubled[1].startswith("No answer.")
    assert troubled[:1] + troubled[2:] == quiet[:1] + quiet[2:]


@pytest.mark.parametrize("width", [1, 5, 40, 200])
@pytest.mark.parametrize("height", [1, 2, 4, 5, 60])
def test_a_screen_of_any_size_can_be_drawn(width: int, height: int) -> None:
    shown = screen(trouble="No answer.", width=width, height=height)
    assert len(shown) == max(height, 4)
    assert max(map(cell_len, shown)) <= width


def test_a_line_that_is_too_long_says_so() -> None:
    shown = screen(trouble="No answer. " * 20, width=40)
    assert [shown[number][-1] for number in (0, 1, -1)] == ["…", "…", "…"]


def test_a_name_in_the_first_line_does_nothing_to_the_terminal() -> None:
    assert screen(Seen("db.locks, \x1b[2J[red]*", "", []))[0].startswith(r"db.locks, \x1b[2J[red]*")
