"""One leader among many processes, and what it tells all."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from mongolock_async._engine.campaign import Campaign
from mongolock_async._engine.member import Member
from mongolock_async._protocol.reply import Person
from mongolock_async._protocol.request import Request
from mongolock_async._settings import Owner

from .lease import Lease
from .lock import Lock


@dataclass(frozen=True, slots=True)
class Leader:
    """Who leads, by the server's clock at the moment of asking. It is no permission.

    Attributes:
        owner: the owner that was given to the election.
        value: what it tells all, such as an address; "" if there is nothing.
        fencing_token: the token of its lease; greater with each leader, for ever.
        age: seconds since it was elected.
    """

    owner: Owner
    value: str
    fencing_token: int
    age: float


class Election(Lock):
    """A lock whose holder leads, and tells all a value; ``LockRepository.election`` makes it.

    It has the methods of every lock; each grant of it makes a leader, with the value. Besides:

    - ``await election.run(serve)``: ``serve(lease)`` while it leads, and so on after losses and outages;
    - ``await election.leader()``: who leads now;
    - ``async for leader in election.observe()``: the leader now, and each change;
    - ``await lease.proclaim(value)``: another value.

    It does *not* promise that there is a leader at each time: one that dies is followed by the next one when
    its lease has expired. Nor that a leader which was stopped for longer than its ttl knows so before its
    next line runs: ``lease.held`` and ``lease.fenced`` are for that.
    """

    def __init__(self, member: Member, request: Request) -> None:
        super().__init__(member, request, None)
        self._campaign = Campaign(member, request)

    def __repr__(self) -> str:
        return f"<Election {self.name!r}>"

    async def run(self, serve: Callable[[Lease], Awaitable[object]]) -> None:
        """Stand for election, and call ``serve(lease)`` while we lead; return when that has returned.

        If the lease is lost, ``serve`` is cancelled, and the campaign begins again when it has ended; so it
        does if ``serve`` ends by the ``LeaseLostError`` of its lease. An outage of MongoDB makes one line in
        the log, and the campaign goes on when it is over, after pauses of up to 5 s. The lease is released
        when ``serve`` has ended, and not before. Whoever is cancelled, or dies, leaves no candidate behind.

        It also returns when the repository is closed; ``serve`` is cancelled then, as by a loss.

        Args:
            serve: a coroutine function, or what else returns an awaitable. What it returns is dropped.

        Raises:
            TypeError: ``serve`` is nothing of the kind, which may show only when it is called.
            LockError: the repository is closed, or the document under that name is no lock, or one of
                another kind.
            LockBackendError: MongoDB refuses (codes 13 and 18), the client was closed, or, before the first
                answer, something is wrong that does not go away by itself (``hint``). If that comes later, it
                is told by the log, with its hint, and outlived as an outage.
            Exception: what ``serve`` has raised, after the release.
        """
        if not callable(serve):
            raise TypeError(f"serve must be a coroutine function, not {type(serve).__name__}")
        member = self._member
        await self._campaign.run(lambda holding: Lease(member, holding), serve)

    async def leader(self) -> Leader | None:
        """Who leads now; None: nobody. One read.

        It was true a moment ago, by the primary's word; a failover may take that back.

        Raises:
            LockError: the document under that name is no lock.
            LockBackendError: MongoDB did not do as asked.
        """
        return _leader(await self._campaign.leader())

    async def observe(self) -> AsyncGenerator[Leader | None, None]:
        """The leader now, and then each change: of the leader, or of its value; None: nobody leads.

        One read a second, so that a change is told a second after it was made, at the most, and the time of
        the read; what has changed back by then is not. It outlives outages of MongoDB, of which the log has a
        line, and tells the last leader until it is back. It ends when it is closed (``contextlib.aclosing``),
        or the repository is.

        Raises:
            LockError, LockBackendError: as ``run``.
        """
        async with aclosing(self._campaign.leaders()) as leaders:
            async for leader in leaders:
                yield _leader(leader)


def _leader(person: Person | None) -> Leader | None:
    if person is None:
        return None
    return Leader(person["owner"], person.get("value", ""), person["token"], person["age_ms"] / 1000)
