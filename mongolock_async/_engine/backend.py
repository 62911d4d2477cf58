"""What the engine asks of the place where the locks are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from mongolock_async._protocol.adoption import Adopted
from mongolock_async._protocol.reply import Reply, View
from mongolock_async._protocol.request import Request, TtlChange

# Locks by their names, and where the next page begins (after that name); None: this was the last one.
Page = tuple[list[tuple[str, View]], str | None]


@dataclass(frozen=True, slots=True)
class Call:
    """A place is said to have been granted its lock.

    ``after``: the moment of the grant, as its backend counts; None: it has no such moments.
    """

    name: str
    lease: str
    after: object


class Ear(Protocol):
    """Hears the calls to the places of one member."""

    @property
    def deaf(self) -> bool:
        """Whether calls are known not to arrive: waiters must look."""

    @property
    def mode(self) -> str | None:
        """``"calls"`` or ``"polling"``; None: nobody has waited of late."""

    def wanted(self) -> AbstractContextManager[None]:
        """Listen during the block, and some seconds longer."""

    def missed(self) -> None:
        """A call did not arrive: it may be deaf without knowing it."""

    async def aclose(self) -> None:
        """The member hears nothing any more."""


class Transaction(Protocol):
    """A session of the driver, with a transaction under way."""

    @property
    def in_transaction(self) -> bool: ...


class Renewer(Protocol):
    """What renews the leases and places of one collection.

    All raise ``LockBackendError`` where there is no answer.
    """

    @property
    def own_thread(self) -> bool:
        """Whether it is to renew in a thread of its own, whatever becomes of the member's loop."""

    @property
    def full_name(self) -> str:
        """What tells this collection from all others, for people to read."""

    def bind(self) -> None:
        """It is used in the running event loop from now on.

        Raises:
            LockError: it belongs to another one.
        """

    async def renew(self, leases: Mapping[str, tuple[str, int]], within: float) -> set[str]:
        """Renew a lease (by id and token) for each name, within so many seconds; the ids of those that stand.

        Grants nothing, and touches no place. A second command tells which, where not all of them stand.
        """

    async def refresh(self, places: Mapping[str, str], within: float) -> set[str]:
        """Refresh a place for each name, within so many seconds; the ids of those that stand.

        Grants nothing, and touches no lease. A second command tells which, where not all of them stand.
        """

    async def aclose(self) -> None:
        """Let go of what it keeps of the driver's; the client is its user's, and stays open."""


class Backend(Renewer, Protocol):
    """The locks of one collection. Each call is one command, unless it says otherwise.

    Those that may grant a lock to others who wait (claim, ask, release, hand_over, withdraw, force, create)
    call them, with one more command, and return when that is done, or has failed.

    All raise ``LockBackendError`` where there is no answer, and those that name a lock raise
    ``LockError`` where its document is none.
    """

    def hurry(self, seconds: float) -> None:
        """Commands that begin from now on are given up after so many seconds."""

    async def index(self) -> bool:
        """See that locks can be kept here, and have unused documents cleaned up.

        False: not now, try again later. Raises nothing but a ``LockError``: no locks can be kept here.
        """

    async def create(self, name: str) -> None:
        """Make the document, if there is none."""

    async def resize(self, name: str, capacity: int) -> Reply:
        """Give a semaphore, or a lock that nobody uses, another capacity; the kind that it is now.

        Those who wait for more than there is now are called, too.
        """

    async def claim(self, request: Request, lease: str, *, first: float | None = None) -> Reply:
        """Claim; with ``first``, a claim that is not granted stays in the queue.

        ``first`` is how many seconds a grant by somebody else's command lives unless it is renewed. Under the
        id of an upgrade, its lease is to weigh all of the lock; that goes before all who wait.
        A claim that raised ``LockBackendError`` may have been granted: ``withdraw`` must follow.
        """

    async def ask(self, name: str, lease: str, *, mutex: bool = False, keeps: bool = False) -> Reply | None:
        """Refresh a place, or give what it was granted its whole ttl; None: there is no document any more.

        Also takes what dead holders have left. ``mutex``, here and below: the lock is one that nobody shares.
        ``keeps``: from its grant, the name stays taken for what was asked for.
        """

    async def look(self, name: str, lease: str) -> Reply | None:
        """Where a place stands, by one node's word; changes nothing. None: no document."""

    async def confirm(self, name: str, lease: str, after: object) -> Reply | None:
        """Where a place stands since that moment, in what no failover can undo. None: no document."""

    async def prolong(self, name: str, lease: str, token: int, ttl: TtlChange | None = None) -> Reply | None:
        """Renew one lease, and say where it stands; None: there is no document any more. Grants nothing.

        With a ``ttl``, it has that one from then on, unless a later change came first.
        """

    async def proclaim(self, name: str, lease: str, token: int, value: str, number: int) -> Reply | None:
        """Give one lease another value, unless one of a greater number came first; as ``prolong`` else.

        Grants nothing, and renews nothing.
        """

    async def release(
        self,
        name: str,
        lease: str,
        back: Sequence[str] = (),
        waiter: str | None = None,
        *,
        token: int | None = None,
        mutex: bool = False,
        keeps: bool = False,
    ) -> tuple[bool | None, Reply | None]:
        """Whether the lease was live, with this token, when it was taken out, and what the waiter has got.

        None: it may have been, or not. A repetition says True again, until another lease is released.
        ``token`` None: with any token. What has the lease id and another token is taken out, too.

        The places of ``back`` let everybody else go first. ``waiter``: a place of our own that may well be
        next; the answer tells of it once no failover can undo that. ``keeps``: if the name is to stay taken
        for longer, it does.
        """

    async def hand_over(
        self, name: str, lease: str, token: int, request: Request, waiter: str, first: float
    ) -> tuple[bool | None, Reply | None]:
        """``release`` one lease, and ``claim`` for a waiter of our own, in one command: nobody comes between.

        If it raised ``LockBackendError``, ``withdraw`` must follow for the waiter.
        """

    async def withdraw(
        self, name: str, lease: str, *, mutex: bool = False, keeps: bool = False
    ) -> Reply | None:
        """Take out whatever there is of a claim; who is in its way, if that is known.

        Of an upgrade: what there is of it, so that its lease weighs what it did before; where that stands.
        """

    async def force(self, name: str, token: int | None = None) -> bool:
        """Take every holder out, or the one with this token; whether there was any."""

    def transaction(self, session: object) -> Transaction:
        """The session, if ``verify`` can use it.

        Raises:
            TypeError, ValueError: it is no session, or has no transaction under way.
            LockError: this backend has no transactions.
        """

    async def verify(self, name: str, lease: str, token: int, session: Transaction) -> bool:
        """In the transaction: whether the lease is live, with this token; to the commit it stays so."""

    async def finish(self, name: str, lease: str, token: int) -> bool:
        """What is to be done once is done, if the lease is live; whether it is, by this lease.

        Everybody is taken out of the queue, and called. A majority knows of it. A repetition says the same.
        """

    async def reset(self, name: str) -> bool:
        """What is done once is to be done again; whether it was done. A majority knows of it."""

    async def adopt(self, name: str, lease: str, token: int, new: str) -> Adopted | None:
        """Give the lease another id, if it is live, and its whole ttl; None: it is not. Grants nothing.

        A majority knows of it, and a repetition says the same. If it raised ``LockBackendError``,
        ``withdraw`` must follow for the new id.
        """

    async def view(self, name: str) -> View | None:
        """A lock for people to read; None: no document."""

    async def page(self, prefix: str, after: str | None = None, *, held: bool = False) -> Page:
        """The next locks whose names begin so, in the order of names.

        ``after``: where the page before ended. ``held``: only those that are held.
        """

    def ear(self, member: str, hear: Callable[[Call], None], changed: Callable[[], None]) -> Ear:
        """What a member hears with.

        ``hear`` is called with each call; ``changed`` when calls may have been missed.
        """
