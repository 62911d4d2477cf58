"""The error tree, and what its members carry."""

from __future__ import annotations

import pickle

import pytest

from mongolock_async import LeaseLostError, LockBackendError, LockError, LockTimeoutError, StaleTokenError

TOKEN = 1_795_424_910_888
TEXTS = {
    LockError("this LockRepository is closed"): "this LockRepository is closed",
    LockTimeoutError("cron", 5.0, "host:1", 1.25): (
        "lock 'cron' was not free within 5 s; held by 'host:1' for 1.250 s"
    ),
    LockTimeoutError("cron", 0.5, 7, 0.0): "lock 'cron' was not free within 0.5 s; held by 7 for 0.000 s",
    LockTimeoutError("cron", 5.0): "lock 'cron' was not free within 5 s",
    LeaseLostError("cron", 7, TOKEN, "expired unrenewed"): (
        f"lease {TOKEN} of lock 'cron' (7) is lost: expired unrenewed"
    ),
    StaleTokenError("cron", TOKEN): f"fencing token {TOKEN} of lock 'cron' is stale",
    LockBackendError("obtain", "cron", "NetworkTimeout"): "obtain 'cron': MongoDB failed: NetworkTimeout",
    LockBackendError("list", None, "OperationFailure", 13): (
        "list: MongoDB failed: OperationFailure (code 13)"
    ),
    LockBackendError("obtain", "cron", "OperationFailure", 9, "take another"): (
        "obtain 'cron': MongoDB failed: OperationFailure (code 9); take another"
    ),
}
errors = pytest.mark.parametrize("error", TEXTS, ids=str)


@errors
def test_an_error_says_what_has_happened_in_one_line(error: LockError) -> None:
    assert str(error) == TEXTS[error]


@errors
def test_every_error_survives_pickling(error: LockError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


@errors
def test_every_error_is_a_lock_error(error: Exception) -> None:
    assert isinstance(error, LockError)


def test_a_lock_timeout_is_a_timeout_and_no_other_error_is() -> None:
    for error in TEXTS:
        assert isinstance(error, TimeoutError) == isinstance(error, LockTimeoutError)


def test_an_error_has_its_parts_as_attributes() -> None:
    timeout = LockTimeoutError("cron", 5.0, "host:1", 1.25)
    assert (timeout.name, timeout.timeout, timeout.owner, timeout.age) == ("cron", 5.0, "host:1", 1.25)
    lost = LeaseLostError("cron", 7, TOKEN, "why")
    assert (lost.name, lost.owner, lost.fencing_token, lost.reason) == ("cron", 7, TOKEN, "why")
    stale = StaleTokenError("cron", TOKEN)
    assert (stale.name, stale.fencing_token) == ("cron", TOKEN)
    backend = LockBackendError("list", None, "OperationFailure", 13)
    assert (backend.action, backend.name, backend.kind, backend.code) == (
        "list",
        None,
        "OperationFailure",
        13,
    )


def test_an_error_that_is_told_to_another_caller_keeps_all_but_what_was_tried() -> None:
    error = LockBackendError("look", "cron", "OperationFailure", 9, "take another")
    error.__cause__ = cause = OSError()
    again = error.retold("acquire")
    assert str(again) == "acquire 'cron': MongoDB failed: OperationFailure (code 9); take another"
    assert again.__cause__ is cause
