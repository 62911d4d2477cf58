"""A lock that many may read under, or one may write under."""

from __future__ import annotations

from dataclasses import replace

from mongolock_async._engine.member import Member
from mongolock_async._protocol.kind import READER, UPGRADABLE, WRITER
from mongolock_async._protocol.request import Request
from mongolock_async._settings import Owner, Seconds, check_life, check_owner, check_seconds, check_timeout

from .bound import Bound
from .lock import Lock


class RWLock(Bound):
    """A reader-writer lock, to be held in three ways; ``LockRepository.rwlock`` makes it.

    Readers hold it together; a writer alone. Those who wait are served in their order, so that a writer is
    not starved by readers who come after it, nor they by writers.

    With ``at_least``, what a lease had at its end stays taken until that time has passed since its grant, as
    if it were held: after a reader, writers are kept out, and other readers are not; after a writer,
    everybody is; after an upgradable reader, writers and upgradable readers are, or everybody, if it ended
    upgraded.

    Attributes:
        name: the lock.
    """

    def __init__(self, member: Member, request: Request, timeout: float | None) -> None:
        self.name = request.name
        self._member = member
        self._request = request
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"<RWLock {self.name!r}>"

    def read(
        self,
        owner: Owner | None = None,
        *,
        ttl: Seconds | None = None,
        timeout: Seconds | None = None,
        at_least: Seconds | None = None,
    ) -> Lock:
        """A lock that others may read under, too. Sends nothing.

        Args:
            owner: a str or an int, for people to read; None: that of the reader-writer lock.
            ttl: seconds, or a timedelta; None: that of the reader-writer lock.
            timeout: how long to wait: seconds, or a timedelta; 0: ask once; None: that of the reader-writer
                lock.
            at_least: for how long from the grant it stays taken as it is: seconds, or a timedelta; None: that
                of the reader-writer lock.

        Raises:
            TypeError, ValueError: an argument is wrong.
        """
        return self._lock(READER, owner, ttl, timeout, at_least)

    def write(
        self,
        owner: Owner | None = None,
        *,
        ttl: Seconds | None = None,
        timeout: Seconds | None = None,
        at_least: Seconds | None = None,
    ) -> Lock:
        """A lock that nobody else may have at the time. Sends nothing; arguments as for ``read``."""
        return self._lock(WRITER, owner, ttl, timeout, at_least)

    def upgradable(
        self,
        owner: Owner | None = None,
        *,
        ttl: Seconds | None = None,
        timeout: Seconds | None = None,
        at_least: Seconds | None = None,
    ) -> Lock:
        """A lock that others may read under, and that may become a writer's: ``Lease.upgrade``.

        There is one such reader at a time. Sends nothing; arguments as for ``read``.
        """
        return self._lock(UPGRADABLE, owner, ttl, timeout, at_least)

    def _lock(
        self,
        weight: int,
        owner: Owner | None,
        ttl: Seconds | None,
        timeout: Seconds | None,
        at_least: Seconds | None,
    ) -> Lock:
        ours = self._request
        request = replace(
            ours,
            weight=weight,
            owner=ours.owner if owner is None else check_owner(owner),
            ttl=ours.ttl if ttl is None else check_life("ttl", ttl),
            at_least=ours.at_least if at_least is None else check_seconds("at_least", at_least),
        )
        return Lock(self._member, request, self._timeout if timeout is None else check_timeout(timeout))
