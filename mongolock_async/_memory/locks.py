"""Locks without a server."""

from __future__ import annotations

from datetime import UTC, datetime

from mongolock_async._settings import Seconds, check_seconds

from .backend import MemoryBackend
from .clock import MemoryClock
from .store import MemoryStore


class MemoryLocks:
    """A store of locks in this process, for the tests of code that uses locks.

    ``LockRepository`` takes it in the place of a collection; repositories on the same ``MemoryLocks`` see
    each other's locks, as processes do on one collection. The rules are MongoDB's, with two exceptions:
    ``Lease.verify`` raises ``LockError``, since it needs the transactions of a replica set, and ``retention``
    has no effect, since nothing is ever cleaned up. It does *not* promise anything to several processes,
    threads or event loops at a time.

    Its clock is that of the event loop; a test may set it forward, or run in a loop whose time it drives.

    Args:
        start: what the clock shows at first, with a time zone; None: the machine's time.

    Raises:
        TypeError, ValueError: ``start`` is no datetime, or has no time zone.
    """

    def __init__(self, *, start: datetime | None = None) -> None:
        self._store = MemoryStore(datetime.now(UTC) if start is None else _check_start(start))

    def __repr__(self) -> str:
        return f"<MemoryLocks {self._store.full_name}>"

    @property
    def now(self) -> datetime:
        """What the clock shows, in UTC, to the millisecond."""
        return self._store.now()

    def advance(self, seconds: Seconds) -> None:
        """Set the clock forward, for the store and for all repositories on it.

        It is as if the server and all processes had slept for so long: what expires meanwhile has expired,
        and no renewal was sent. ``held`` and ``remaining`` are right at once; whoever waits for a time that
        has come goes on at the next ``await``. To have leases renewed, go forward in steps of at most a
        third of their ttl, with an ``await asyncio.sleep(0.01)`` after each.

        Args:
            seconds: how far: seconds, or a timedelta.

        Raises:
            TypeError, ValueError: ``seconds`` is no positive duration.
        """
        self._store.clock.advance(check_seconds("seconds", seconds))

    def backend(self) -> MemoryBackend:
        """What a repository sends its commands to."""
        return MemoryBackend(self._store)

    @property
    def clock(self) -> MemoryClock:
        """What a repository judges its deadlines by."""
        return self._store.clock


def _check_start(start: object) -> datetime:
    if not isinstance(start, datetime):
        raise TypeError(f"start must be a datetime, not {type(start).__name__}")
    if start.tzinfo is None:
        raise ValueError(f"start must have a time zone, such as datetime.UTC: {start!r}")
    return start
