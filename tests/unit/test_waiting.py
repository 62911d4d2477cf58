"""The pauses between two tries."""

from __future__ import annotations

from mongolock_async import _waiting


def test_pauses_grow_from_20_to_250_ms() -> None:
    backoff = _waiting.Backoff()
    pauses = [backoff.pause(None) for _ in range(20)]
    assert 0.010 <= pauses[0] <= 0.020
    assert all(0.125 <= pause <= 0.250 for pause in pauses[10:])


def test_pauses_are_jittered() -> None:
    assert len({_waiting.Backoff().pause(None) for _ in range(20)}) > 1


def test_a_pause_never_outlasts_the_holders_lease() -> None:
    backoff = _waiting.Backoff()
    assert all(backoff.pause(0.005) <= 0.005 + _waiting.AFTER_EXPIRY for _ in range(20))
