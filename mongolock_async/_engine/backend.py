"""What the engine asks of the place where the locks are kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from mongolock_async._protocol.reply import Reply, View
from mongolock_async._protocol.request import Request


@dataclass(frozen=True, slots=True)
class Call:
    """A waiter was granted its lock; ``token`` is None where the event alone does not tell it for certain."""

    lease: str
    token: int | None


class Listener(Protocol):
    """Hears of the grants to the places of one member."""

    async def next(self) -> Sequence[Call]:
        """The next calls; none after about a second without any.

        Raises:
            LockBackendError: it is deaf, and must be replaced.
        """


class Transaction(Protocol):
    """A session of the driver, with a transaction under way."""

    @property
    def in_transaction(self) -> bool: ...


class Backend(Protocol):
    """The locks of one collection. Each call is one command, unless it says otherwise.

    All of them raise ``LockBackendError`` where there is no answer, and those that name a lock raise
    ``LockError`` where its document is none.
    """

    @property
    def full_name(self) -> str:
        """What tells this collection from all others, for people to read."""

    async def index(self) -> bool:
        """Have unused documents cleaned up; False: not now, try again later. Never raises."""

    async def create(self, name: str) -> None:
        """Make the document, if there is none."""

    async def claim(self, request: Request, lease: str, *, wait: bool = False) -> Reply:
        """Claim; with ``wait``, a claim that is not granted stays in the queue.

        A claim that raised ``LockBackendError`` may have been granted: ``withdraw`` must follow.
        """

    async def ask(self, name: str, lease: str) -> Reply | None:
        """Renew a lease or a place, and say where it stands; None: there is no document any more."""

    async def look(self, name: str, lease: str) -> Reply | None:
        """Where a lease or a place stands, by one node's word; changes nothing. None: no document."""

    async def renew(self, leases: Mapping[str, str], within: float) -> set[str]:
        """Renew a lease or a place for each name, within so many seconds; the ids of those that stand."""

    async def release(self, name: str, lease: str, back: Sequence[str] = ()) -> bool | None:
        """Whether the lease was live until now; None: it may have been, or not.

        The places of ``back`` let everybody else go first.
        """

    async def withdraw(self, name: str, lease: str) -> Reply | None:
        """Take out whatever there is of a claim; where it stood before, if that is known."""

    async def force(self, name: str) -> bool:
        """Take every holder out; whether there was any."""

    def transaction(self, session: object) -> Transaction:
        """The session, if ``verify`` can use it.

        Raises:
            TypeError, ValueError: it is no session, or has no transaction under way.
            LockError: this backend has no transactions.
        """

    async def verify(self, name: str, lease: str, session: Transaction) -> bool:
        """In the transaction: whether the lease is live; from here to the commit it stays so."""

    async def view(self, name: str) -> View | None:
        """A lock for people to read; None: no document."""

    def list(self, prefix: str) -> AsyncIterator[tuple[str, View]]:
        """Every lock whose name begins so, in the order of names."""

    def listen(self, member: str) -> AbstractAsyncContextManager[Listener]:
        """Hear of the grants to the places of this member, from the entering of the block on.

        Raises:
            LockBackendError: this cannot be heard here, or not now.
        """
