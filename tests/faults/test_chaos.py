"""What becomes of the workers' facts, before the checker sees them."""

from __future__ import annotations

from pathlib import Path

from chaos.facts import Look, Place, Section, Wait
from chaos.pulse import stalls
from chaos.record import Account, Recorder


def account_of(path: Path) -> Account:
    account = Account(over=100.0)
    account.read(path)
    return account


def test_a_section_ends_where_the_worker_last_saw_the_lease(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "0.jsonl")
    facts = {"lock": "a", "lease": "s.1", "token": 5, "weight": 2, "role": None, "number": 1}
    recorder.note("begin", t=1.0, **facts)
    recorder.note("end", t=3.0, number=1)
    assert account_of(tmp_path / "0.jsonl").history.sections == [Section("a", "s.1", 5, 1.0, 3.0, 2)]


def test_a_section_of_a_worker_that_was_killed_is_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "0.jsonl"
    facts = {"lock": "a", "lease": "s.1", "token": 5, "weight": 1, "role": None, "number": 1}
    Recorder(path).note("begin", t=1.0, **facts)
    with path.open("a") as file:
        file.write('{"kind": "end", "t": 3.')
    account = account_of(path)
    assert account.history.sections == [Section("a", "s.1", 5, 1.0, 1.0)]
    assert account.unfinished == 1


def test_a_place_counts_from_the_first_answer_that_knew_of_it(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "0.jsonl")
    recorder.note("asked", t=1.0, lock="a", lease="s.1")
    recorder.note("queued", t=2.0, lease="s.1")
    recorder.note("queued", t=3.0, lease="s.1")
    recorder.note("granted", t=4.0, lease="s.1", token=7)
    recorder.note("asked", t=5.0, lock="a", lease="s.2")
    assert account_of(tmp_path / "0.jsonl").history.places == [Place("a", "s.1", 1.0, 2.0, 7)]


def test_a_look_at_a_leader_counts_from_when_it_was_noted(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "0.jsonl")
    recorder.note("look", t=1.0, lock="a", token=5, owner="me", value="me: 1")
    assert account_of(tmp_path / "0.jsonl").history.looks == [Look("a", 5, "me", "me: 1", 1.0)]


def test_what_a_killed_worker_waited_for_is_no_wait(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "0.jsonl")
    recorder.note("wait", t=1.0, lock="a", number=1)
    assert account_of(tmp_path / "0.jsonl").history.waits == []
    recorder.note("bye")
    assert account_of(tmp_path / "0.jsonl").history.waits == [Wait("a", 1.0, None)]


def beats(*spans: tuple[float, float]) -> list[float]:
    """A primary that was there from and to, looked at ten times a second."""
    return [begin + n / 10 for begin, end in spans for n in range(round((end - begin) * 10) + 1)]


def test_a_stall_with_a_primary_counts_whole() -> None:
    assert stalls([1.0, 4.0], beats((0, 5))) == [(4.0, 3.0)]


def test_a_stall_without_a_primary_counts_from_its_return() -> None:
    (stall,) = stalls([1.0, 9.0], beats((0, 2), (7, 9)))
    assert stall == (9.0, 2.0)


def test_a_stall_that_ends_before_the_primary_is_seen_again_counts_nothing() -> None:
    (stall,) = stalls([1.0, 9.0], beats((0, 2), (9.1, 10)))
    assert stall == (9.0, 0.0)
