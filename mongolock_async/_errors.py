"""Every exception this package raises on purpose.

LockError
├── LockTimeoutError     the lock was taken, and not free in time (also a TimeoutError)
├── LeaseLostError       the lease ended before its holder let it go
├── StaleTokenError      a newer fencing token has written there
└── LockBackendError     MongoDB did not do as asked; ``__cause__`` says why

Wrong arguments are plain ``TypeError`` and ``ValueError``, raised before any command is sent.
"""

from __future__ import annotations


class LockError(Exception):
    """Base of all errors of this package; raised itself where no subclass fits.

    For instance: the repository is closed, the document under the name is not a lock, or no locks can be
    kept in that collection.
    """


class LockTimeoutError(LockError, TimeoutError):
    """The lock was not obtained within ``timeout``: somebody else had it, or waited before us.

    The server has said so since the wait began. Where it has said nothing, that is a ``LockBackendError``.

    Attributes:
        name: the lock.
        timeout: how long the caller was willing to wait, in seconds.
        owner: who held the lock when it was last asked for; None if that is not known.
        age: for how long they had held it then, in seconds; None if that is not known.
    """

    def __init__(
        self, name: str, timeout: float, owner: str | int | None = None, age: float | None = None
    ) -> None:
        held = "" if age is None else f"; held by {owner!r} for {age:.3f} s"
        super().__init__(f"lock {name!r} was not free within {timeout:g} s{held}")
        self.name, self.timeout, self.owner, self.age = name, timeout, owner, age

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.name, self.timeout, self.owner, self.age)


class LeaseLostError(LockError):
    """The lease ended while its holder still relied on it.

    Attributes:
        name: the lock.
        owner: the owner of the lost lease.
        fencing_token: its fencing token.
        reason: why it ended, for people to read.
    """

    def __init__(self, name: str, owner: str | int, fencing_token: int, reason: str) -> None:
        super().__init__(f"lease {fencing_token} of lock {name!r} ({owner!r}) is lost: {reason}")
        self.name, self.owner, self.fencing_token, self.reason = name, owner, fencing_token, reason

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.name, self.owner, self.fencing_token, self.reason)


class StaleTokenError(LockError):
    """A fenced write was refused, since a newer fencing token has written there.

    Attributes:
        name: the lock.
        fencing_token: the token that came too late.
    """

    def __init__(self, name: str, fencing_token: int) -> None:
        super().__init__(f"fencing token {fencing_token} of lock {name!r} is stale")
        self.name, self.fencing_token = name, fencing_token

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.name, self.fencing_token)


class LockBackendError(LockError):
    """MongoDB, or the way to it, failed. The driver's error, if there was one, is the ``__cause__``.

    The text names the kind of error only: the server's own words may quote the whole command.

    Attributes:
        action: what was tried, for instance "obtain".
        name: the lock; None where the action is not about one lock.
        kind: the class name of the driver's error, or "no answer in time".
        code: the server's error code; None if it did not come from the server.
        hint: what would help, for people to read; "" if that is not known.
    """

    def __init__(
        self, action: str, name: str | None, kind: str, code: int | None = None, hint: str = ""
    ) -> None:
        lock = "" if name is None else f" {name!r}"
        number = "" if code is None else f" (code {code})"
        super().__init__(f"{action}{lock}: MongoDB failed: {kind}{number}{hint and f'; {hint}'}")
        self.action, self.name, self.kind, self.code, self.hint = action, name, kind, code, hint

    def retold(self, action: str) -> LockBackendError:
        """The same, for another one who has tried that."""
        error = LockBackendError(action, self.name, self.kind, self.code, self.hint)
        error.__cause__ = self.__cause__
        return error

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.action, self.name, self.kind, self.code, self.hint)


# What any command would have met: no rights, another user, no primary, a shutdown, a write that nobody
# acknowledges in time.
ABOUT_ALL = {13, 18, 64, 91, 100, 189, 8000, 10107, 11600, 11602, 13435, 13436}
ACKNOWLEDGEMENT = {"WTimeoutError", "WriteConcernError"}
# No answer in time. The drivers also call it so where a transaction keeps a document: their own time is over
# before the server has said so.
SILENCE = "NetworkTimeout"


def may_be_one_documents(error: Exception) -> bool:
    """Whether a command on many documents may have failed, or hung, because of one of them."""
    if isinstance(error, LockBackendError):
        if error.code is None:
            return error.kind == SILENCE
        return error.code not in ABOUT_ALL and error.kind not in ACKNOWLEDGEMENT
    return isinstance(error, TimeoutError)
