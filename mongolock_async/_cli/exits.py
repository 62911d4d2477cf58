"""How the program ends: its exit codes, and errors as one line without a secret."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mongolock_async import LeaseLostError, LockBackendError, LockError, LockTimeoutError

NOTHING = 1
USAGE = 64
MONGODB = 69
INTERNAL = 70
BUSY = 75
LOST = 76
NOT_EXECUTABLE = 126
NOT_FOUND = 127

# The user and the password of a URI, whatever is in them; of one of MongoDB, also spaces.
CREDENTIALS = re.compile(r"(?:(?<=mongodb)|(?<=mongodb\+srv))://.*@|://\S*@")


class UsageError(Exception):
    """The user has asked for what cannot be done; the text says what is right."""


def say(text: str) -> None:
    """One line on standard error."""
    line = CREDENTIALS.sub("://***@", " ".join(text.split()))
    with contextlib.suppress(OSError):  # nobody listens any more: no reason to end
        print(f"mongolock: {line}", file=sys.stderr, flush=True)  # noqa: T201 - where a program says it


class CommandError(Exception):
    """A command that cannot be run.

    Attributes:
        code: the exit code that says so.
    """

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class Interrupted(Exception):  # noqa: N818 - no error
    """Ctrl-C has ended the command, or the wait for it."""


def interrupted() -> int:
    """End by Ctrl-C: as one whom it kills, where somebody sits at a terminal; else, the exit code.

    A shell goes on with its script where a program ends by itself, and Ctrl-C is meant for the script, too,
    which has not heard of it if the command had the terminal.
    """
    if sys.platform == "win32":
        return by_signal(signal.SIGINT)
    with contextlib.suppress(OSError):
        if os.tcgetpgrp(sys.stderr.fileno()) == os.getpgrp():
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.killpg(os.getpgrp(), signal.SIGINT)
    return by_signal(signal.SIGINT)


def told(error: Exception) -> int:
    """Say it, and the exit code."""
    code = code_of(error)
    if isinstance(error, ImportError) and str(error.name).startswith("rich"):
        error = UsageError("this needs the extra cli: pip install 'mongolock-async[cli]'")
    why = f": {error.strerror}" if isinstance(error, OSError) else ""
    say(str(error) if code != INTERNAL else f"internal error: {type(error).__name__}{why}")
    return code


def code_of(error: Exception) -> int:
    """The exit code that stands for it."""
    match error:
        case CommandError():
            return error.code
        case LockTimeoutError():
            return BUSY
        case LeaseLostError():
            return LOST
        case LockBackendError():
            return MONGODB
        # A name in use as another kind of lock; an argument that the package refuses; a missing extra.
        case LockError() | UsageError() | ValueError() | TypeError() | ImportError():
            return USAGE
        case _:
            return INTERNAL


def by_signal(number: int) -> int:
    """As shells have it."""
    return 128 + number


@contextmanager
def log_shown() -> Iterator[None]:
    """Warnings of the package are lines of ours during the block, without tracebacks."""
    logger, says = logging.getLogger("mongolock_async"), _Says(logging.WARNING)
    propagated, logger.propagate = logger.propagate, False
    logger.addHandler(says)
    try:
        yield
    finally:
        logger.removeHandler(says)
        logger.propagate = propagated


class _Says(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())
