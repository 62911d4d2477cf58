"""Who was in the way of those who wait."""

from __future__ import annotations

from mongolock_async._errors import LockTimeoutError
from mongolock_async._protocol.reply import Person, Reply

from .clock import Clock


class Others:
    """Of each lock that is waited for, the holder that was seen last."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[Person, float]] = {}
        self._crowded: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._seen

    def see(self, name: str, reply: Reply) -> None:
        """The server has told who holds it, and who waits."""
        if reply.alone:
            self._crowded.discard(name)
        else:
            self._crowded.add(name)
        if holder := next(iter(reply.holders), None):
            self._seen[name] = holder, self._clock.now()

    def forget(self, name: str) -> None:
        """Nobody waits for it any more."""
        self._seen.pop(name, None)
        self._crowded.discard(name)

    def crowded(self, name: str) -> bool:
        """Whether others waited for it, too, when that was last told."""
        return name in self._crowded

    def too_late(self, name: str, timeout: float) -> LockTimeoutError:
        """The error for one who waited as long as he was willing to."""
        if name not in self._seen:
            return LockTimeoutError(name, timeout)
        holder, when = self._seen[name]
        age = holder["age_ms"] / 1000 + self._clock.now() - when
        return LockTimeoutError(name, timeout, holder["owner"], age)
