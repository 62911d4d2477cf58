"""How long a renewal lets a lease live, while that changes."""

from __future__ import annotations

from mongolock_async._engine.ttl import Ttl


def test_a_ttl_that_does_not_change_is_what_every_renewal_gives() -> None:
    ttl = Ttl(30)
    assert (ttl.seconds, ttl.sure, ttl.given(0.0)) == (30, 30, 30)


def test_until_a_change_is_answered_the_shorter_ttl_counts() -> None:
    for new, shorter in ((60, 30), (10, 10)):
        ttl = Ttl(30)
        ttl.change(new)
        assert (ttl.seconds, ttl.sure, ttl.given(5.0)) == (30, shorter, shorter)


def test_what_was_sent_before_the_answer_counts_no_more_than_the_shorter_ttl() -> None:
    for new, shorter in ((60, 30), (10, 10)):
        ttl = Ttl(30)
        ttl.changed(ttl.change(new), 7.0)
        assert (ttl.seconds, ttl.sure) == (new, new)
        assert (ttl.given(6.9), ttl.given(7.0)) == (shorter, new)


def test_after_a_change_without_an_answer_the_shorter_ttl_counts_until_the_next_answer() -> None:
    ttl = Ttl(30)
    ttl.change(10)
    change = ttl.change(60)
    assert ttl.sure == 10
    ttl.changed(change, 7.0)
    assert (ttl.seconds, ttl.sure, ttl.given(6.9)) == (60, 60, 10)


def test_an_answer_that_was_overtaken_by_the_next_change_settles_nothing() -> None:
    ttl = Ttl(30)
    first, second = ttl.change(60), ttl.change(10)
    ttl.changed(first, 7.0)
    assert (ttl.seconds, ttl.sure) == (30, 10)
    ttl.changed(second, 8.0)
    ttl.changed(first, 9.0)
    assert (ttl.seconds, ttl.sure) == (10, 10)


def test_each_change_has_a_number_of_its_own_which_grows() -> None:
    ttl = Ttl(30)
    assert [ttl.change(5).number for _ in range(3)] == [1, 2, 3]
