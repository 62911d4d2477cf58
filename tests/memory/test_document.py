"""The protocol in plain Python: what renewals, refreshes and questions may do, and what they may not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mongolock_async._memory.document import Document

# Leases live 30 s, places 10 s; a grant by somebody else's command lives 10 s at first.
TTL, FIRST, PLACE = 30_000, 10_000, 10_000


def queue_up(document: Document, now: int, lease: str, *, first: int = FIRST) -> None:
    """Claim, and stay in the queue if it is not granted."""
    document.queue_up(now, lease, owner=lease, ttl=TTL, first=first, ear=None, by=f"claim of {lease}")


def lives(document: Document) -> dict[str, int]:
    """Until when each entry lives."""
    return {entry.lease: entry.expires for entry in document.holders + document.queue}


@pytest.fixture
def document() -> Document:
    """Held by a since 0; b stands in the queue, and c behind it."""
    document = Document()
    for lease in "abc":
        queue_up(document, 0, lease)
    return document


def token(document: Document, lease: str) -> int:
    """Of a holder."""
    (found,) = [holder.token for holder in document.holders if holder.lease == lease]
    assert found is not None
    return found


def test_a_grant_by_somebody_elses_command_lives_for_its_first_life(document: Document) -> None:
    document.release(5000, "a", by="release")
    (holder,) = document.holders
    assert (holder.lease, holder.expires, holder.by) == ("b", 5000 + FIRST, "release")


@pytest.mark.parametrize("ask", [False, True])
def test_a_grant_by_its_own_command_lives_for_its_ttl(document: Document, *, ask: bool) -> None:
    if not ask:
        assert lives(document)["a"] == TTL
        return
    document.refresh(9000, "b")
    document.holders.clear()
    document.ask(9500, "b", by="question")
    assert lives(document)["b"] == 9500 + TTL


def test_a_question_makes_a_first_life_whole(document: Document) -> None:
    document.release(5000, "a", by="release")
    document.ask(6000, "b", by="question")
    assert lives(document)["b"] == 6000 + TTL


def test_a_refresh_of_a_place_does_not_prolong_what_it_was_granted(document: Document) -> None:
    document.release(5000, "a", by="release")
    before = lives(document)
    document.refresh(6000, "b")
    assert lives(document) == before
    assert not document.queues(6000, "b")


def test_a_renewal_of_a_lease_does_not_prolong_a_place(document: Document) -> None:
    before = lives(document)
    document.renew(1000, "b", token(document, "a"))
    assert lives(document) == before


def test_a_renewal_by_another_token_prolongs_nothing(document: Document) -> None:
    before = lives(document)
    document.renew(1000, "a", token(document, "a") + 1)
    document.renew(1000, "a", token(document, "a") - 1)
    assert lives(document) == before


@pytest.mark.parametrize(
    "renew",
    [
        lambda document, now: document.renew(now, "a", 1),
        lambda document, now: document.renew(now, "b", 1),
        lambda document, now: document.refresh(now, "b"),
        lambda document, now: document.refresh(now, "c"),
    ],
    ids=["renew a", "renew b", "refresh b", "refresh c"],
)
@pytest.mark.parametrize("now", [1, 9_999, 10_000, 29_999, 30_000, 90_000])
def test_a_renewal_and_a_refresh_grant_nothing_and_take_nothing_out(
    document: Document, renew: Callable[[Document, int], None], now: int
) -> None:
    """Nobody would hear of it."""
    document.token = document.holders[0].token or 0
    standing = [[entry.lease for entry in entries] for entries in (document.holders, document.queue)]
    last = document.token
    renew(document, now)
    assert [[entry.lease for entry in entries] for entries in (document.holders, document.queue)] == standing
    assert document.token == last


@pytest.mark.parametrize("late", [0, 1, 5000, 29_999])
def test_no_renewal_shortens_a_life_where_two_overtake_each_other(document: Document, late: int) -> None:
    number = token(document, "a")
    document.renew(29_999, "a", number)
    document.renew(late, "a", number)
    assert lives(document)["a"] == 29_999 + TTL
    document.ask(late, "a", by="question")
    assert lives(document)["a"] == 29_999 + TTL


def test_no_refresh_shortens_a_place_where_two_overtake_each_other(document: Document) -> None:
    document.refresh(9000, "b")
    document.refresh(8000, "b")
    document.ask(7000, "b", by="question")
    assert lives(document)["b"] == 9000 + PLACE


def test_a_claim_that_is_repeated_shortens_nothing(document: Document) -> None:
    document.renew(20_000, "a", token(document, "a"))
    document.refresh(9000, "b")
    before = lives(document)
    queue_up(document, 5000, "a")
    queue_up(document, 5000, "b")
    assert lives(document) == before


def test_what_has_expired_is_not_revived(document: Document) -> None:
    document.renew(TTL, "a", token(document, "a"))
    document.refresh(PLACE, "b")
    assert lives(document) == {"a": TTL, "b": PLACE, "c": PLACE}


def test_the_document_outlives_all_that_is_prolonged(document: Document) -> None:
    document.renew(20_000, "a", token(document, "a"))
    assert document.expires_at == 20_000 + TTL
    document.renew(10_000, "a", token(document, "a"))
    assert document.expires_at == 20_000 + TTL


def test_the_last_release_is_remembered_and_a_late_one_is_not(document: Document) -> None:
    document.release(1000, "a", by="release")
    assert document.released == "a"
    document.release(2000, "a", by="again")
    assert document.released == "a"
    document.release(2000, "nobody", by="another")
    assert document.released == "a"
    document.release(3000, "b", by="release")
    assert document.released == "b"
    document.release(3000 + FIRST, "c", by="too late")
    assert document.released == "b"
