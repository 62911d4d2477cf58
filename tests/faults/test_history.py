"""The checker of histories, on histories that are made up, good and bad."""

from __future__ import annotations

from typing import Any

import pytest
from chaos.facts import History, Look, Place, Role, Section, Wait, Write, said_by
from chaos.history import STALE, violations

PATIENCE = 20.0


def broken(**facts: Any) -> list[str]:
    """The rules that this history breaks."""
    return [violation.rule for violation in violations(History(**facts), PATIENCE)]


def section(begin: float, end: float, token: int, lock: str = "a", weight: int = 1) -> Section:
    return Section(lock, f"s.{token}", token, begin, end, weight)


def as_(role: Role, begin: float, end: float, token: int) -> Section:
    return Section("a", f"s.{token}", token, begin, end, role=role)


def look(t: float, token: int, value: str = said_by("me", "1")) -> Look:
    return Look("a", token, "me", value, t)


def place(asked: float, queued: float, token: int | None) -> Place:
    return Place("a", f"s.{token}", asked, queued, token)


def test_nothing_breaks_no_rule() -> None:
    assert broken() == []


def test_sections_one_after_another_are_well() -> None:
    assert broken(sections=[section(3, 4, 9), section(1, 2, 5), section(2, 3, 6)]) == []


def test_sections_that_overlap_are_seen() -> None:
    assert broken(sections=[section(1, 3, 5), section(2.9, 4, 6)]) == ["overlap"]


def test_a_section_inside_a_long_one_is_seen_behind_others() -> None:
    assert broken(sections=[section(1, 9, 5), section(7, 8, 6)]) == ["overlap"]


def test_a_section_that_was_killed_at_its_beginning_is_seen_inside_another() -> None:
    assert broken(sections=[section(1, 3, 5), section(2, 2, 6)]) == ["overlap"]
    assert broken(sections=[section(1, 1, 5), section(2, 2, 6)]) == []


def test_sections_of_two_locks_may_overlap() -> None:
    assert broken(sections=[section(1, 3, 5), section(2, 4, 6, lock="b")]) == []


def test_names_that_are_held_together_are_each_held_by_one() -> None:
    both = [section(1, 3, 5), section(1, 3, 5, lock="b")]
    assert broken(sections=[*both, section(3, 4, 6, lock="b"), section(2, 4, 6, lock="c")]) == []
    assert broken(sections=[*both, section(2.9, 4, 6, lock="b"), section(2.9, 4, 6, lock="c")]) == ["overlap"]


def test_weights_up_to_the_capacity_are_well() -> None:
    shared = [section(1, 5, 5, weight=2), section(2, 5, 6), section(5, 6, 7, weight=3)]
    assert broken(sections=shared, capacities={"a": 3}) == []


def test_weights_beyond_the_capacity_are_seen() -> None:
    shared = [section(1, 5, 5, weight=2), section(2, 5, 6), section(4, 6, 7)]
    assert broken(sections=shared, capacities={"a": 3}) == ["overlap"]


def test_readers_beside_each_other_and_beside_an_upgradable_one_are_well() -> None:
    together = [as_("reader", 1, 4, 7), as_("upgradable", 2, 5, 8), as_("reader", 3, 5, 6)]
    assert broken(sections=[*together, as_("writer", 5, 6, 9), as_("reader", 6, 7, 10)]) == []


@pytest.mark.parametrize("role", ["reader", "upgradable", "writer"])
def test_one_beside_a_writer_is_seen(role: Role) -> None:
    assert broken(sections=[as_("writer", 1, 3, 5), as_(role, 2.9, 4, 6)]) == ["beside a writer"]
    assert broken(sections=[as_(role, 1, 3, 5), as_("writer", 2.9, 4, 6)]) == ["beside a writer"]


def test_a_reader_inside_an_upgrade_is_seen() -> None:
    upgraded = [as_("upgradable", 1, 2, 5), as_("writer", 2, 4, 5), as_("upgradable", 4, 6, 5)]
    assert broken(sections=[*upgraded, as_("reader", 1, 2, 4), as_("reader", 4, 5, 6)]) == []
    assert broken(sections=[*upgraded, as_("reader", 1, 2.1, 4)]) == ["beside a writer"]


def test_two_upgradable_readers_at_a_time_are_seen() -> None:
    assert broken(sections=[as_("upgradable", 1, 3, 5), as_("upgradable", 2, 4, 6)]) == ["two upgradable"]


def test_tokens_of_writers_grow_and_one_that_is_upgraded_again_has_its_own() -> None:
    assert broken(sections=[as_("writer", 1, 2, 5), as_("reader", 2, 3, 9), as_("writer", 3, 4, 5)]) == []
    assert broken(sections=[as_("writer", 1, 2, 6), as_("writer", 3, 4, 5)]) == ["token order"]


def test_tokens_that_do_not_grow_are_seen() -> None:
    assert broken(sections=[section(1, 2, 6), section(3, 4, 5)]) == ["token order"]


def test_a_token_that_comes_again_is_seen() -> None:
    again = Section("a", "t.1", 5, 3, 4)
    assert broken(sections=[section(1, 2, 5), again], capacities={"a": 2}) == ["token twice"]


def test_tokens_of_a_semaphore_need_not_grow_in_the_order_of_the_sections() -> None:
    assert broken(sections=[section(1, 4, 6), section(2, 4, 5)], capacities={"a": 2}) == []


def test_leaders_one_after_another_are_well_and_each_may_tell_several_values() -> None:
    terms = [as_("leader", 1, 2, 5), as_("leader", 2, 3, 5), as_("leader", 3, 4, 6), as_("leader", 5, 6, 8)]
    assert broken(sections=terms) == []


def test_two_leaders_at_a_time_are_seen() -> None:
    assert broken(sections=[as_("leader", 1, 3, 5), as_("leader", 2.9, 4, 6)]) == ["two leaders"]


def test_terms_whose_tokens_do_not_grow_are_seen() -> None:
    assert broken(sections=[as_("leader", 1, 2, 6), as_("leader", 3, 4, 5)]) == ["token order"]


def test_a_term_with_the_token_of_another_one_is_seen() -> None:
    again = Section("a", "t.1", 5, 3, 4, role="leader")
    assert broken(sections=[as_("leader", 1, 2, 5), again]) == ["token order", "token twice"]


def test_who_was_seen_to_lead_long_after_the_next_term_began_is_seen() -> None:
    terms = [as_("leader", 1, 2, 5), as_("leader", 3, 4, 6)]
    assert broken(sections=terms, looks=[look(3 + STALE, 5), look(90, 6), look(91, 7)]) == []
    assert broken(sections=terms, looks=[look(90, 6), look(3.1 + STALE, 5)]) == ["old leader"]


def test_a_value_that_another_one_has_told_is_seen() -> None:
    assert broken(looks=[look(1, 5, said_by("you", "1"))]) == ["another's value"]


def test_writes_of_one_token_and_then_of_newer_ones_are_well() -> None:
    assert broken(writes=[Write("a", 3, 8), Write("a", 1, 5), Write("a", 2, 5)]) == []


def test_a_write_of_an_older_token_after_a_newer_one_is_seen() -> None:
    assert broken(writes=[Write("a", 1, 5), Write("a", 2, 8), Write("a", 4, 5)]) == ["stale write"]


def test_a_boundary_that_is_run_twice_is_seen() -> None:
    assert broken(runs=[1000, 3000, 2000]) == []
    assert broken(runs=[1000, 2000, 1000]) == ["boundary twice"]


def test_those_who_queue_are_served_in_turn() -> None:
    assert broken(places=[place(1, 2, 5), place(3, 4, 6), place(3, 4, 7)]) == []


def test_two_who_ask_at_the_same_time_may_be_served_in_either_order() -> None:
    assert broken(places=[place(1, 3, 6), place(2, 4, 5)]) == []


def test_one_that_overtakes_is_seen() -> None:
    assert broken(places=[place(1, 2, 7), place(3, 4, 6)]) == ["queue jumped"]
    assert broken(places=[place(1, 2, 7), place(1, 2, 4), place(5, 6, 8), place(3, 4, 6)]) == ["queue jumped"]


def test_one_that_gives_up_is_overtaken_by_right() -> None:
    assert broken(places=[place(1, 2, None), place(3, 4, 6)]) == []


def test_one_that_waits_for_too_long_is_seen() -> None:
    assert broken(waits=[Wait("a", 1, 20), Wait("a", 90, None)], over=100) == []
    assert broken(waits=[Wait("a", 1, 22)], over=100) == ["stuck"]
    assert broken(waits=[Wait("a", 70, None)], over=100) == ["stuck"]


def test_the_time_of_faults_is_no_waiting() -> None:
    assert broken(waits=[Wait("a", 1, 31)], faults=[(0, 5), (10, 16)], over=100) == []
    assert broken(waits=[Wait("a", 1, 32)], faults=[(0, 5), (10, 16)], over=100) == ["stuck"]
