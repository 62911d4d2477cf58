"""The leases of one member: it claims them, keeps them alive, and withdraws what nobody wants."""

from __future__ import annotations

import asyncio
import itertools
import logging

from mongolock_async._errors import LeaseLostError, LockBackendError, LockError
from mongolock_async._protocol.reply import Grant, Reply
from mongolock_async._protocol.request import Request
from mongolock_async._settings import default_margin

from .backend import Backend
from .background import Background
from .clock import Clock
from .holding import CLOSED, EXPIRED, FORCED, RELEASED, SLOW, TAKEN, Holding
from .keepalive import KeepAlive, Renewable
from .recorder import Recorder

logger = logging.getLogger("mongolock_async")

Claimed = tuple[Holding | None, Reply]


class Leases:
    """Turns the server's grants into holdings.

    Args:
        member: the prefix of all lease ids.
        backend: what takes, asks and releases.
        renewals: what renews; ``backend``, or the same collection by another client.
        background: for work that goes on when its caller does not.
        clock: by which deadlines are judged.
        clock_margin: seconds by which a holder gives up before the server does; None: the default.

    Attributes:
        held: lease id -> what is held now.
        losses: how many ended without having been released.
        obtained: from sending a claim that won to its answer.
        handed: from the grant to one who waited to its next command, by the server's clock.
        handed_at: when that was last measured.
    """

    def __init__(
        self,
        member: str,
        backend: Backend,
        renewals: Backend,
        background: Background,
        clock: Clock,
        clock_margin: float | None,
    ) -> None:
        self.keep_alive = KeepAlive(renewals.renew, clock, self._revived)
        self.held: dict[str, Holding] = {}
        self.losses = 0
        self.obtained = Recorder()
        self.handed = Recorder()
        self.handed_at = float("-inf")
        self._member = member
        self._backend = backend
        self._background = background
        self._clock = clock
        self._clock_margin = clock_margin
        self._numbers = itertools.count(1)

    def new_id(self) -> str:
        """A lease id that was never used."""
        return f"{self._member}.{next(self._numbers)}"

    async def claim(self, request: Request, lease_id: str, *, wait: bool = False) -> Claimed:
        """Claim once; with ``wait``, what is not granted stands in the queue."""
        sent = self._clock.now()
        try:
            reply = await self._backend.claim(request, lease_id, wait=wait)
            grant = reply.grant
            if grant is not None:
                self.obtained.add(self._clock.now() - sent)
                sent, grant = await self._in_time(request, lease_id, sent, grant)
        except LockBackendError:
            self.withdraw_soon(request.name, lease_id)  # it may have been granted all the same
            raise
        if grant is not None:
            return self.hold(request, lease_id, grant, sent), reply
        if reply.place is None and reply.capacity != request.capacity:
            raise LockError(f"{request.name!r} is in use with capacity {reply.capacity}")
        return None, reply

    async def ask(self, request: Request, lease_id: str) -> tuple[Holding | None, Reply | None]:
        """What one who stands in the queue has got by now; takes what a dead holder has left."""
        sent = self._clock.now()
        reply = await self._backend.ask(request.name, lease_id)
        if reply is None or reply.grant is None:
            return None, reply
        self.measure(reply, reply.grant.fencing_token)
        sent, grant = await self._in_time(request, lease_id, sent, reply.grant)
        return (None, None) if grant is None else (self.hold(request, lease_id, grant, sent), reply)

    def hold(self, request: Request, lease_id: str, grant: Grant, sent: float) -> Holding:
        """It is ours, by an answer to what was sent then.

        Raises:
            LeaseLostError: it is over already.
        """
        margin = default_margin(request.ttl) if self._clock_margin is None else self._clock_margin
        token = grant.fencing_token
        holding = Holding(lease_id, request, token, min(margin, request.ttl / 2), self._clock)
        self.held[lease_id] = holding
        holding.on_end(self._ended)
        holding.confirm(sent, grant.remaining)
        if holding.ended is not None:
            self.withdraw_soon(holding.name, lease_id)
            raise LeaseLostError(holding.name, holding.owner, token, SLOW)
        if request.keep_alive:
            self.keep_alive.add(holding)
        return holding

    async def renew(self, holding: Holding) -> bool:
        """Whether it is still ours."""
        return await self._renew(holding) is not None

    async def measure_hand_over(self, holding: Holding) -> None:
        """Renew one that was granted while it waited, and see how long ago that was."""
        self.handed_at = self._clock.now()
        if reply := await self._renew(holding):
            self.measure(reply, holding.fencing_token)

    def measure(self, reply: Reply, token: int) -> None:
        """How long ago one who waited was granted its lock, by its first command after that."""
        self.handed_at = self._clock.now()
        for holder in reply.holders:
            if holder["token"] == token:
                self.handed.add(holder["age_ms"] / 1000)

    def withdraw_soon(self, name: str, lease_id: str) -> None:
        """Take out, in the background, what nobody wants."""
        self._background.spawn(self.withdraw(name, lease_id), detached=True)

    async def withdraw(self, name: str, lease_id: str) -> Reply | None:
        """Take out what there is of a claim; where it stood, where the server says so."""
        try:
            return await self._backend.withdraw(name, lease_id)
        except LockError as error:
            logger.warning("a lease of %r was not withdrawn; it expires by itself: %s", name, error)
            return None

    async def undo(self, claim: asyncio.Task[Claimed]) -> None:
        """Withdraw what a claim may get whose caller has gone."""
        await asyncio.wait([claim])
        if not claim.cancelled() and claim.exception() is None and (holding := claim.result()[0]):
            holding.end(RELEASED)
            await self.withdraw(holding.name, holding.id)

    async def aclose(self) -> None:
        """Stop renewing, and release what is held."""
        await self.keep_alive.aclose()
        for holding in list(self.held.values()):
            holding.end(CLOSED)
            self.withdraw_soon(holding.name, holding.id)

    async def _renew(self, holding: Holding) -> Reply | None:
        """The answer by which it is still ours."""
        sent = self._clock.now()
        reply = await self._backend.ask(holding.name, holding.id)
        grant = reply.grant if reply is not None else None
        if holding.ended == RELEASED:
            return None
        if reply is None or grant is None:
            holding.end(TAKEN if reply is not None and reply.holders else FORCED)
            return None
        holding.confirm(sent, grant.remaining)
        if holding.ended is not None:  # the answer came too late, and the server holds it for nobody
            self.withdraw_soon(holding.name, holding.id)
        return reply if holding.held else None

    async def _in_time(
        self, request: Request, lease_id: str, sent: float, grant: Grant
    ) -> tuple[float, Grant | None]:
        """A grant, and from when it counts; one whose answer came late is renewed before it is believed."""
        if self._clock.now() - sent <= request.ttl / 2:
            return sent, grant
        sent = self._clock.now()
        renewed = await self._backend.ask(request.name, lease_id)
        return sent, renewed.grant if renewed is not None else None

    def _ended(self, holding: Holding) -> None:
        self.keep_alive.discard(holding)
        self.held.pop(holding.id, None)
        if holding.ended not in {RELEASED, CLOSED}:
            self.losses += 1
            logger.warning("lease of %r is lost: %s", holding.name, holding.ended)

    def _revived(self, lease: Renewable) -> None:
        # One that was released is its release's affair, which must not find that it is gone already. A place
        # in a queue is withdrawn by its waiter, or has become a lease under the same id.
        if isinstance(lease, Holding) and lease.ended == EXPIRED:
            self.withdraw_soon(lease.name, lease.id)
