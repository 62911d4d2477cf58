"""The locks of one collection: where everything begins."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self
from zoneinfo import ZoneInfo

from mongolock_async import _settings
from mongolock_async._engine.boundaries import Periodic
from mongolock_async._engine.cron import Cron
from mongolock_async._engine.listeners import Listeners, LockListener
from mongolock_async._engine.member import Member
from mongolock_async._protocol.kind import WRITER, Size
from mongolock_async._protocol.request import Request
from mongolock_async._settings import (
    Owner,
    Seconds,
    check_count,
    check_life,
    check_name,
    check_offset,
    check_owner,
    check_seconds,
    check_size,
    check_timeout,
    check_value,
    milliseconds,
)

from .backends import backends_on
from .bound import Bound
from .election import Election
from .exported import Exported
from .info import LockInfo, lock_info
from .lease import Lease
from .lock import NAMELESS, Lock
from .lock_all import LockAll
from .once import Work, check_work, once
from .rwlock import RWLock
from .schedule import Schedule
from .stats import Stats, stats_of

if TYPE_CHECKING:
    from mongolock_async._memory.locks import MemoryLocks
    from mongolock_async._mongo.collection import Collection, RenewalCollection


class LockRepository(Bound):
    """The locks in one MongoDB collection; one document a lock.

    Whatever the collection was set to, claims and renewals are acknowledged by a majority, and
    everything goes to the primary. Only the server's clock decides what has expired.

    What it does *not* promise: a process that is stopped for longer than its lease lives cannot
    know it until it looks. ``Lease.held`` is right whenever it is read; for what happens between
    the look and the deed there is ``Lease.fencing_token``.

    Args:
        collection: an async collection of Motor or of PyMongo; or, in tests, a ``MemoryLocks``.
        owner: who its leases belong to, for people to read; a str or an int. Default
            (None): ``hostname:pid``.
        ttl: seconds, or a timedelta, that a lease lives unless it is released or renewed; at least 0.1 s.
        retention: seconds, or a timedelta, after which the document of a lock that nobody uses is
            cleaned up by the TTL index. Nothing else depends on it. None: no index is made.
        command_timeout: seconds, or a timedelta, after which a command to MongoDB is given up.
            The default is longer than an election takes. A command without an answer is sent again
            before, after 1 s for the first time. The first claim also looks at the collection and makes
            the index, within 5 s of its own.
        clock_margin: seconds, or a timedelta, by which a holder calls its lease expired before the
            server does; never more than half the ttl. None: 5 % of the ttl, 0.1 s to 1 s.
        renewal_collection: the same collection by another client, for renewals alone. Of PyMongo's
            blocking ``MongoClient``: a thread of the repository's own renews, also while a body stops the
            event loop, or other work keeps every connection of the first client busy. Of
            ``AsyncMongoClient``: connections of their own, in the event loop. None: the same client.
        event_listeners: each a ``monitoring.LockListener``, told what happens to locks and leases. None:
            nobody is.

    Raises:
        TypeError: ``collection`` is anything else, or another argument has the wrong type.
        ValueError: an argument has the right type and a wrong value; ``renewal_collection`` is Motor's,
            whose clients share one pool of threads, so that another one helps nothing.
    """

    def __init__(
        self,
        collection: Collection | MemoryLocks,
        *,
        owner: Owner | None = None,
        ttl: Seconds = _settings.DEFAULT_TTL,
        retention: Seconds | None = _settings.DEFAULT_RETENTION,
        command_timeout: Seconds = _settings.DEFAULT_COMMAND_TIMEOUT,
        clock_margin: Seconds | None = None,
        renewal_collection: RenewalCollection | MemoryLocks | None = None,
        event_listeners: Iterable[LockListener] | None = None,
    ) -> None:
        self._owner = _settings.default_owner() if owner is None else check_owner(owner)
        self._ttl = _settings.check_life("ttl", ttl)
        retention_s = None if retention is None else check_seconds("retention", retention)
        timeout_s = check_seconds("command_timeout", command_timeout)
        margin = None if clock_margin is None else check_seconds("clock_margin", clock_margin)

        self._backend, renewals, clock = backends_on(
            collection, renewal_collection, retention=retention_s, timeout=timeout_s
        )
        self._member = Member(self._backend, renewals, clock, margin, Listeners(event_listeners, clock))

    def __del__(self) -> None:
        """Warn of a repository that was used and never closed."""
        member = getattr(self, "_member", None)  # there is none where an argument was refused
        if member is not None and member.lifetime.is_open:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)

    def __repr__(self) -> str:
        return f"<LockRepository {self._backend.full_name}>"

    async def __aenter__(self) -> Self:
        self._member.lifetime.check()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """As ``aclose``."""
        await self.aclose()

    async def obtain(
        self, name: str, owner: Owner | None = None, *, ttl: Seconds | None = None, keep_alive: bool = False
    ) -> Lease | None:
        """Take the lock if it is free. Never waits; one command.

        Args:
            name: a non-empty str of at most 1,024 bytes in UTF-8, without NUL.
            owner: a str or an int, for people to read; None: the repository's.
            ttl: seconds, or a timedelta, of at least 0.1 s; None: the repository's.
            keep_alive: renew the lease until it is released; else it expires after its ttl.

        Returns:
            The lease, or None: somebody else has the lock, or waits for it.

        Raises:
            TypeError, ValueError: an argument is wrong; nothing was sent.
            LockError: the document under that name is no lock or one of another kind, or the collection
                or its server can keep no locks.
            LockBackendError: MongoDB did not do as asked. If the lock was taken all the same, it
                is withdrawn, or expires by itself.
            LeaseLostError: it was ours, but the answer took longer than the ttl. (If somebody else has the
                lock by then: None.)
        """
        holding, _ = await self._member.claim(self._request(name, owner, ttl, keep_alive=keep_alive))
        return None if holding is None else Lease(self._member, holding)

    async def acquire(
        self,
        name: str,
        owner: Owner | None = None,
        *,
        ttl: Seconds | None = None,
        timeout: Seconds | None = None,
        keep_alive: bool = False,
    ) -> Lease:
        """Take the lock; wait until it is ours, in the order in which the waiters came.

        The tasks of a process have one place in the lock's queue between them; if the process releases
        the lock while others wait elsewhere, those come first. Whoever releases calls the next waiter;
        where calls cannot be heard, waiters poll (``stats().waits_by``).

        Args:
            name: as for ``obtain``.
            owner: as for ``obtain``.
            ttl: as for ``obtain``: how long the lease lives.
            timeout: how long to wait: seconds, or a timedelta; 0 or less: ask once; None: for ever. The
                answer to that question, and leaving the queue, may take up to a second more, and no longer.
                One who is cancelled leaves the queue, too, before that is raised, or after a second.
            keep_alive: as for ``obtain``.

        Raises:
            LockTimeoutError: it was not free in time, by the last answer of the server; it says who had it.
                If the server has not said so since the wait began, that is a LockBackendError.
            TypeError, ValueError, LockError, LockBackendError, LeaseLostError: as ``obtain``. An error
                of MongoDB also ends the wait when it comes while a place in the queue is kept.
        """
        request = self._request(name, owner, ttl, keep_alive=keep_alive)
        return Lease(self._member, await self._member.acquire(request, check_timeout(timeout)))

    def lock(
        self,
        name: str | Callable[..., str],
        owner: Owner | None = None,
        *,
        ttl: Seconds | None = None,
        timeout: Seconds | None = None,
        at_least: Seconds | None = None,
    ) -> Lock:
        """A lock for ``async with``, or to decorate a coroutine function with. Sends nothing.

        Args:
            name: as for ``obtain``; or, for a decorator only, a function that makes the name of each call out
                of the call's arguments: ``@locks.lock(lambda order: f"order:{order.id}")``.
            owner: as for ``obtain``.
            ttl: as for ``obtain``; the lease is renewed for as long as the block runs.
            timeout: how long to wait on entering, as for ``acquire``.
            at_least: seconds, or a timedelta, from the grant for which the name stays taken, also if the
                lease is released or expires earlier, and if the repository is closed. ``force_release``
                alone frees it before. None: the name is free as soon as the lease is over.

        Raises:
            TypeError, ValueError: an argument is wrong.
        """
        name_of = name if callable(name) else None
        plain = NAMELESS if callable(name) else name
        request = self._request(plain, owner, ttl, keep_alive=True, at_least=at_least)
        limit = check_timeout(timeout)
        if name_of is None:
            self._created(request)
        return Lock(self._member, request, limit, name_of)

    def semaphore(
        self,
        name: str,
        capacity: int | None,
        owner: Owner | None = None,
        *,
        weight: int = 1,
        ttl: Seconds | None = None,
        timeout: Seconds | None = None,
        at_least: Seconds | None = None,
    ) -> Lock:
        """A lock that several may hold, as long as their weights fit its capacity. Sends nothing.

        It has the methods of every lock. A lease has all of its weight, or there is none. Those who wait are
        served in their order: one that weighs much is not overtaken by lighter ones.

        Args:
            name: as for ``obtain``.
            capacity: how much of it there is: 1 to 2**31 - 1. While it is in use, it has one capacity, and a
                claim with another is a ``LockError``. None: whatever is stored, by ``resize`` or by the last
                claim that named one; it is forgotten when the repository's ``retention`` is over.
            owner: as for ``obtain``.
            weight: how much of it a lease takes: 1 to the capacity.
            ttl: as for ``lock``.
            timeout: as for ``lock``.
            at_least: as for ``lock``.

        Raises:
            TypeError, ValueError: an argument is wrong.
        """
        some, most = check_size(weight, capacity)
        request = self._request(name, owner, ttl, keep_alive=True, at_least=at_least)
        sized, limit = request.sized(Size("semaphore", some, most)), check_timeout(timeout)
        return Lock(self._member, self._created(sized), limit)

    def rwlock(
        self,
        name: str,
        owner: Owner | None = None,
        *,
        ttl: Seconds | None = None,
        timeout: Seconds | None = None,
        at_least: Seconds | None = None,
    ) -> RWLock:
        """A lock that many may read under, or one may write under. Sends nothing.

        Args:
            name: as for ``obtain``.
            owner: of its leases, as for ``obtain``; its methods may name another, and so for all below.
            ttl: as for ``lock``.
            timeout: as for ``lock``.
            at_least: as for ``lock``; see ``RWLock``.

        Raises:
            TypeError, ValueError: an argument is wrong.
        """
        request = self._request(name, owner, ttl, keep_alive=True, at_least=at_least)
        sized, limit = request.sized(Size("rwlock", WRITER, WRITER)), check_timeout(timeout)
        return RWLock(self._member, self._created(sized), limit)

    async def resize(self, name: str, capacity: int) -> None:
        """Give a semaphore another capacity; one that nobody uses, or has used, takes it, too.

        Growing serves those who wait. Shrinking revokes nobody: nothing is granted until enough was released.
        Those who wait for more than there is now get a ``LockError``. Whoever names another capacity in
        ``semaphore(name, capacity)`` is refused as long as it is in use: name None there.

        Args:
            name: as for ``obtain``.
            capacity: 1 to 2**31 - 1.

        Raises:
            TypeError, ValueError: an argument is wrong.
            LockError: the document under that name is no lock, or a lock of another kind, and in use.
            LockBackendError: MongoDB did not do as asked.
        """
        await self._member.resize(check_name(name), check_count("capacity", capacity))

    def lock_all(
        self,
        *names: str,
        owner: Owner | None = None,
        ttl: Seconds | None = None,
        timeout: Seconds | None = None,
        at_least: Seconds | None = None,
    ) -> LockAll:
        """Several locks at a time: all of them, or none. Sends nothing.

        Args:
            names: of the locks, each as for ``obtain``, in any order; one that is named twice counts once.
            owner: as for ``obtain``.
            ttl: as for ``obtain``, of each lease.
            timeout: how long to wait for all of them together, as for ``acquire``.
            at_least: as for ``lock``, of each name. Where one cannot be had, no name stays taken.

        Raises:
            TypeError, ValueError: an argument is wrong, or there is no name.
        """
        if not names:
            raise ValueError("lock_all takes at least one name")
        requests = [self._request(name, owner, ttl, keep_alive=True, at_least=at_least) for name in names]
        each_once = {request.name: request for request in requests}
        limit = check_timeout(timeout)
        return LockAll(self._member, [self._created(request) for request in each_once.values()], limit)

    def election(
        self, name: str, value: str = "", *, owner: Owner | None = None, ttl: Seconds | None = None
    ) -> Election:
        """A lock whose holder leads, and tells all a value. Sends nothing.

        Args:
            name: as for ``obtain``.
            value: what we tell all while we lead, such as our address: a str of at most 1 KiB in UTF-8,
                without NUL. It is kept with the lease, and ``Lease.proclaim`` changes it.
            owner: as for ``obtain``.
            ttl: as for ``lock``: if a leader dies, the next one is elected when its lease has expired.

        Raises:
            TypeError, ValueError: an argument is wrong.
        """
        request = self._request(name, owner, ttl, keep_alive=True)
        return Election(self._member, self._created(replace(request, value=check_value(value))))

    def every(
        self,
        period: Seconds,
        name: str,
        owner: Owner | None = None,
        *,
        ttl: Seconds | None = None,
        offset: Seconds = 0,
    ) -> Schedule:
        """A schedule with a boundary at each multiple of the period since 1970-01-01 UTC. Sends nothing.

        Args:
            period: seconds, or a timedelta, from one boundary to the next: 0.1 s or more, whole milliseconds.
            name: as for ``obtain``; the document under it remembers the last boundary that was served.
            owner: as for ``obtain``.
            ttl: seconds, or a timedelta, that the lease lives unrenewed; never longer than the
                period. None: the repository's, or the period if that is shorter.
            offset: seconds, or a timedelta, that all boundaries come later; less than the period.

        Raises:
            TypeError, ValueError: an argument is wrong.
        """
        seconds = check_life("period", period)
        shift = check_offset(offset, seconds)
        boundaries = Periodic(milliseconds(seconds), milliseconds(shift) if shift else 0)
        request = self._request(name, owner, ttl, keep_alive=True)
        return Schedule(self._member, self._created(request), boundaries)

    def cron(
        self,
        expression: str,
        name: str,
        owner: Owner | None = None,
        *,
        tz: str | ZoneInfo,
        ttl: Seconds | None = None,
        catch_up: Seconds | None = None,
    ) -> Schedule:
        """A schedule with a boundary at each moment of a cron expression. Sends nothing.

        It needs the extra ``cron``. Where a change of clocks leaves out or repeats a local time, Debian's
        cron is the model (docs/schedules.md).

        Args:
            expression: minute, hour, day of month, month, day of week; six fields begin with the second. Or
                ``@hourly``, ``@daily``, ``@midnight``, ``@weekly``, ``@monthly``, ``@yearly``, ``@annually``.
            name: as for ``every``.
            owner: as for ``obtain``.
            tz: the time zone: its key, such as ``"Europe/Berlin"``, or a ``zoneinfo.ZoneInfo``.
            ttl: as for ``every``; never longer than from one boundary to the next.
            catch_up: seconds, or a timedelta: if the last boundary was missed, since no process was there or
                MongoDB was away, it is run at the start, if it is not older. None: it is not run. A schedule
                that was never served begins with its next boundary.

        Raises:
            TypeError, ValueError: an argument is wrong; it names the field.
            ImportError: the extra ``cron`` is not installed.
        """
        late = None if catch_up is None else check_seconds("catch_up", catch_up)
        request = self._request(name, owner, ttl, keep_alive=True)
        boundaries = Cron(expression, tz)
        return Schedule(self._member, self._created(request), boundaries, late)

    async def once(
        self,
        name: str,
        work: Work,
        *,
        owner: Owner | None = None,
        ttl: Seconds | None = None,
        timeout: Seconds | None = None,
    ) -> bool:
        """Have this done once by all processes, such as a migration; wait for whoever is at it.

        The outcome is written in the command that ends the lease, only if the lease is live, and for a
        majority. An exception, a loss of the lease or the death of the process leaves it undone, and the next
        caller does it. So a work that was interrupted is begun again: it must bear that. That it is done is
        kept for ever, whatever the ``retention``; until ``reset``, the name cannot be used for a lock.

        Args:
            name: as for ``obtain``; for this work alone.
            work: a coroutine function without arguments; or, if it needs one argument, it gets the lease,
                for ``lease.fenced`` or ``lease.verify``. What it returns is dropped. It is cancelled if the
                lease is lost.
            owner: as for ``obtain``.
            ttl: as for ``obtain``; the lease is renewed while the work runs.
            timeout: how long to wait for whoever is at it, as for ``acquire``; the work takes as long as it
                does.

        Returns:
            True: it ran here, and is done. False: it was done before.

        Raises:
            LockTimeoutError: somebody else was at it for longer than ``timeout``.
            LeaseLostError: the lease was lost before the outcome was written: it is not done, or others have
                done it since.
            LockBackendError: MongoDB did not do as asked. After the work, it may be done, or not: call again.
            LockError: the name is in use as a lock, or its document is none.
            TypeError, ValueError: an argument is wrong; nothing was sent.
        """
        work_of = check_work(work)
        request = self._request(name, owner, ttl, keep_alive=True).sized(Size("once"))
        return await once(self._member, request, work_of, check_timeout(timeout))

    async def reset(self, name: str) -> bool:
        """Make undone what was done ``once``: the next caller does it again. Whoever is at it is let alone.

        Returns:
            True if it was done.

        Raises:
            TypeError, ValueError, LockError, LockBackendError: as ``create``.
        """
        return await self._member.once.reset(check_name(name))

    async def adopt(self, text: str, *, keep_alive: bool = False) -> Lease | None:
        """Go on with a lease that another process has exported; one command.

        The lease gets an id of this repository, and its whole ttl. Owner and fencing token stay as they were.

        Args:
            text: what ``lease.export()`` has returned, there or here.
            keep_alive: as for ``obtain``.

        Returns:
            The lease; None: it is over, or was adopted before.

        Raises:
            TypeError, ValueError: ``text`` is none of ``export``, or was changed; nothing was sent.
            LockBackendError: MongoDB did not do as asked. If it was adopted all the same, it is withdrawn, or
                expires by itself; else, it can still be adopted.
            LeaseLostError: the answer took longer than the ttl.
        """
        exported = Exported.read(text)
        holding = await self._member.adoption.adopt(
            exported.name, exported.lease, exported.token, keep_alive=keep_alive
        )
        return None if holding is None else Lease(self._member, holding)

    async def create(self, name: str) -> None:
        """Make the document of a lock and the TTL index. Optional: the first claim does it too.

        Raises:
            TypeError, ValueError: ``name`` is no name for a lock.
            LockError: the document under that name is no lock.
            LockBackendError: MongoDB did not do as asked.
        """
        check_name(name)
        self._member.lifetime.check()
        await self._member.lifetime.index()
        await self._member.background.finish(self._backend.create(name))
        self._created(self._request(name, None, None, keep_alive=False))

    async def get(self, name: str) -> LockInfo | None:
        """Look at one lock; None: it has no document.

        Raises:
            TypeError, ValueError, LockError, LockBackendError: as ``create``.
        """
        check_name(name)
        self._member.lifetime.check()
        view = await self._member.background.finish(self._backend.view(name))
        return None if view is None else lock_info(name, view)

    async def list(self, prefix: str = "", *, held: bool = False) -> AsyncIterator[LockInfo]:
        """Look at every lock whose name begins so, in the order of names; at 200 by one command.

        It is no snapshot: each lock is shown as it was when its part of the list was read.

        Args:
            prefix: what the names begin with; "": all of them.
            held: only locks that somebody holds. Default: also those that are free.

        Raises:
            TypeError, ValueError: ``prefix`` is neither empty nor a name for a lock.
            LockBackendError: MongoDB did not do as asked.
        """
        if prefix != "":
            check_name(prefix)
        self._member.lifetime.check()
        after, more = None, True
        while more:
            work = self._backend.page(prefix, after, held=held)
            page, after = await self._member.background.finish(work)
            for name, view in page:
                yield lock_info(name, view)
            more = after is not None

    async def force_release(self, name: str, *, fencing_token: int | None = None) -> bool:
        """Free a lock, whoever holds it. Its holder learns of it at its next renewal, not before.

        Until then, two may believe in the same lock, for as long as ``Holder.remaining`` said.

        Args:
            name: as for ``obtain``.
            fencing_token: free this holding only (``Holder.fencing_token``), and nobody who came after it;
                None: every holder.

        Returns:
            True if anybody held it; with a ``fencing_token``, if that one did.

        Raises:
            TypeError, ValueError, LockError, LockBackendError: as ``create``.
        """
        check_name(name)
        token = None if fencing_token is None else _settings.check_token(fencing_token)
        self._member.lifetime.check()
        return await self._member.background.finish(self._backend.force(name, token))

    def stats(self) -> Stats:
        """What this repository does and has done, in this process. Sends nothing."""
        return stats_of(self._member)

    async def aclose(self, *, timeout: Seconds | None = _settings.DEFAULT_CLOSING) -> None:
        """Stop renewing, release what is held, and wait for what is under way. May be called twice.

        The body of a block that still runs is cancelled, as if its lease were lost; the block releases the
        lock when the body has ended, and not before. The client is yours, and stays open.

        Args:
            timeout: how long to wait: seconds, or a timedelta; None: as long as it takes. What is not done
                by then goes on in the background, while the event loop runs; leases expire by themselves.
                For bodies, it waits no longer than their leases last.

        Raises:
            TypeError, ValueError: ``timeout`` is no duration.
            LockError: this is another process or event loop than that of the repository.
        """
        await self._member.aclose(check_timeout(timeout))

    def _created(self, request: Request) -> Request:
        """The same, of which listeners are told."""
        self._member.listeners.created(request)
        return request

    def _request(
        self,
        name: str,
        owner: Owner | None,
        ttl: Seconds | None,
        *,
        keep_alive: bool,
        at_least: Seconds | None = None,
    ) -> Request:
        return Request(
            name=check_name(name),
            owner=self._owner if owner is None else check_owner(owner),
            ttl=self._ttl if ttl is None else _settings.check_life("ttl", ttl),
            keep_alive=keep_alive,
            at_least=None if at_least is None else check_seconds("at_least", at_least),
        )
