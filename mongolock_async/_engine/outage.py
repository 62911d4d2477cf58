"""A loop that outlives outages: what it says of one, and how long it waits until it tries again."""

from __future__ import annotations

import logging

from mongolock_async._errors import LeaseLostError, LockBackendError, LockError

from .pauses import Backoff

logger = logging.getLogger("mongolock_async")

# The server's codes for "not authorised" and "authentication failed": waiting does not help.
REFUSALS = {13, 18}
# The client was closed, and stays so.
CLOSED = "InvalidOperation"
# Seconds between two tries: at first, and at the most.
FIRST = 0.2
LONGEST = 5.0


class Outage:
    """Whether MongoDB is away just now; one log line when that begins, and one when it is over.

    A fault that does not go away by itself (``LockBackendError.hint``) is a mistake of the configuration as
    long as nothing has worked, and is raised. Once it has worked, somebody has changed the server, and may
    change it back: then it is told with its hint, and outlived as an outage.

    Args:
        who: what goes on all the same, for the log.
    """

    def __init__(self, who: str) -> None:
        self._who = who
        self._worked = False
        self._pauses: Backoff | None = None
        self._hint = ""

    @property
    def works(self) -> bool:
        """Whether what was met last is an answer."""
        return self._worked and self._pauses is None

    def met(self, error: LockError) -> float:
        """It has raised this: the seconds until the next try; raises what trying again does not mend."""
        hint = error.hint if isinstance(error, LockBackendError) else ""
        slow = isinstance(error, LeaseLostError)  # an answer that took longer than the ttl
        away = isinstance(error, LockBackendError) and error.code not in REFUSALS and error.kind != CLOSED
        if not (slow or away) or (hint and not self._worked):
            raise error
        if self._pauses is None or hint not in {"", self._hint}:
            kind = error.kind if isinstance(error, LockBackendError) else type(error).__name__
            why = f"{kind}; {hint}" if hint else kind
            logger.warning("%s: MongoDB is away (%s); it goes on once it is back", self._who, why)
            self._hint = hint
        self._pauses = self._pauses or Backoff(FIRST, LONGEST)
        return self._pauses.pause(None)

    def over(self) -> None:
        """It works, or works again."""
        if self._pauses is not None:
            logger.warning("%s: MongoDB is back", self._who)
        self._pauses, self._hint, self._worked = None, "", True
