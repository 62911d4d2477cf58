"""The error tree, and what its members carry."""

from __future__ import annotations

import pickle

import pytest

from mongolock_async import LeaseLostError, LockBackendError, LockError, LockTimeoutError, StaleTokenError

EXAMPLES = [
    LockTimeoutError("cron", 5.0, "host:1", 1.25),
    LockTimeoutError("cron", 5.0),
    LeaseLostError("cron", 7, 1_795_424_910_888, "expired unrenewed"),
    StaleTokenError("cron", 1_795_424_910_888),
    LockBackendError("obtain", "cron", "NetworkTimeout"),
    LockBackendError("list", None, "OperationFailure", 13),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=str)
def test_every_error_survives_pickling(error: LockError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize("error", EXAMPLES, ids=str)
def test_every_error_is_a_lock_error(error: Exception) -> None:
    assert isinstance(error, LockError)


def test_a_lock_timeout_is_a_timeout() -> None:
    assert issubclass(LockTimeoutError, TimeoutError)


def test_a_lock_timeout_says_who_was_in_the_way() -> None:
    assert str(EXAMPLES[0]) == "lock 'cron' was not free within 5 s; held by 'host:1' for 1.250 s"


def test_a_backend_error_names_kind_and_code_and_quotes_nothing() -> None:
    assert str(EXAMPLES[5]) == "list: MongoDB failed: OperationFailure (code 13)"
