"""The leases of one member: it claims them, and keeps them alive."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

from mongolock_async._errors import LeaseLostError, LockBackendError, LockError
from mongolock_async._protocol.reply import Grant, Reply
from mongolock_async._protocol.request import Request
from mongolock_async._settings import default_margin

from .backend import Backend, Renewer
from .background import Background
from .block import Blocks
from .clock import Clock
from .giver import Giver
from .holding import CLOSED, EXPIRED, FORCED, NO_LOSS, RELEASED, SLOW, TAKEN, Holding
from .keepalive import KeepAlive
from .place import Place
from .recorder import Recorder
from .refusal import check
from .renewable import Renew, Renewable
from .renewal_thread import RenewalThread
from .reports import Losses
from .withdrawals import Withdrawals

# Seconds that a grant by somebody else's command lives at first, or four times the margin if that is more.
FIRST = 10.0
MILLISECOND = 0.001

Claimed = tuple[float, Reply]


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
        blocks: those whose bodies run.
        losses: how many ended without having been released or exported.
        obtained: from sending a claim that won to its answer.
        handed: from the grant to one who waited to its first command, by the server's clock.
        withdrawals: of what nobody wants.
    """

    def __init__(
        self,
        member: str,
        backend: Backend,
        renewals: Renewer,
        background: Background,
        clock: Clock,
        clock_margin: float | None,
    ) -> None:
        ways: dict[str, Renew] = {
            "lease": self._renew_batch,
            "first": self._renew_batch,
            "place": self._refresh_batch,
        }
        self.keep_alive: KeepAlive | RenewalThread = (
            RenewalThread(ways, clock, self._revived)
            if renewals.own_thread
            else KeepAlive(ways, clock, self._revived)
        )
        self.held: dict[str, Holding] = {}
        self.blocks = Blocks()
        self.losses = 0
        self._losses = Losses(clock)
        self.obtained = Recorder()
        self.handed = Recorder()
        self.withdrawals = Withdrawals(backend, background, clock)
        self._member = member
        self._backend = backend
        self._renewals = renewals
        self._background = background
        self._clock = clock
        self._clock_margin = clock_margin
        self._numbers = itertools.count(1)

    def new_id(self) -> str:
        """A lease id that was never used."""
        return f"{self._member}.{next(self._numbers)}"

    def first(self, request: Request) -> float:
        """Seconds that a grant by somebody else's command lives at first: what a dead waiter costs."""
        return min(request.ttl, max(FIRST, 4 * self._margin(request.ttl)))

    async def claim(
        self, request: Request, lease_id: str, *, first: float | None = None, giver: Giver | None = None
    ) -> Claimed:
        """Claim; with ``first``, what is not granted stands in the queue. When that was sent; the answer.

        With ``giver``, the same command releases that lease.

        Raises:
            LeaseLostError: it was granted, and over before the answer came; nobody else has it.
        """
        sent = self._clock.now()
        try:
            if giver is None or first is None:
                reply = await self._backend.claim(request, lease_id, first=first)
            else:
                reply = await giver.hand_over(self._backend, request, lease_id, first)
            if (grant := reply.grant) is not None:
                self.obtained.add(self._clock.now() - sent)
                sent, reply = await self._in_time(request, lease_id, sent, reply)
                # One who waits withdraws it, and claims again.
                if reply.grant is None and first is None:
                    self._over(request, lease_id, grant.fencing_token, reply)
        except LockBackendError:
            self._withdraw_soon(request, lease_id)  # it may have been granted all the same
            raise
        check(request, reply)
        return sent, reply

    async def ask(self, request: Request, lease_id: str) -> tuple[float, Reply | None]:
        """What one who waits has got by now; takes what a dead holder has left."""
        sent = self._clock.now()
        reply = await self._ask(request, lease_id)
        if reply is None or reply.grant is None:
            return sent, reply
        return await self._in_time(request, lease_id, sent, reply)

    def hold(self, request: Request, lease_id: str, sent: float, grant: Grant) -> Holding:
        """It is ours, by an answer to what was sent then.

        Raises:
            LeaseLostError: it is over already.
            LockError: it cannot be kept alive.
        """
        holding = Holding(lease_id, request, grant.fencing_token, self._margin, self._clock)
        self.held[lease_id] = holding
        holding.on_end(self._ended)
        holding.confirm(sent, grant.remaining)
        if holding.ended is not None:
            self.withdrawals.soon(holding.name, lease_id)
            raise holding.loss(SLOW)
        if request.keep_alive:
            if grant.remaining < request.ttl - grant.age - MILLISECOND:
                holding.begin(self.first(request))
            try:
                self.keep_alive.add(holding)
            except LockError:
                holding.end(RELEASED)
                self.withdrawals.soon(holding.name, lease_id, mutex=request.mutex)
                raise
        return holding

    async def renew(self, holding: Holding, ttl: float | None = None) -> bool:
        """Whether it is still ours; with another ttl, from now on, if that is given."""
        change = None if ttl is None else holding.change(ttl)
        sent = self._clock.now()
        reply = await self._backend.prolong(holding.name, holding.id, holding.fencing_token, change)
        if holding.ended in NO_LOSS:
            return False
        if reply is None or reply.grant is None:
            holding.end(TAKEN if reply is not None and reply.holders else FORCED)
            return False
        if change is None:
            holding.renewed(sent)
        else:
            holding.changed(change, sent, reply.grant.remaining)
            self.keep_alive.paced(holding)
        if holding.ended is not None:  # the answer came too late, and the server holds it for nobody
            self._let_go(holding)
        return holding.held

    async def undo(self, request: Request, lease_id: str, claim: asyncio.Task[Claimed]) -> None:
        """Withdraw what a claim may get whose caller has gone."""
        await asyncio.wait([claim])
        if not claim.cancelled() and claim.exception() is None and claim.result()[1].grant is not None:
            await self.withdrawals.withdraw(request.name, lease_id, mutex=request.mutex)

    def close(self) -> None:
        """All leases are over. Those of blocks are released when their bodies have ended, all others now."""
        for holding in list(self.held.values()):
            holding.end(CLOSED)
            if not self.blocks.around(holding):
                self._let_go(holding)
        self._losses.end()

    def _let_go(self, holding: Holding) -> None:
        """Release, in the background, what is over for us."""
        mutex = holding.request.mutex
        self.withdrawals.soon(holding.name, holding.id, mutex=mutex, keeps=holding.keeps)

    async def _in_time(self, request: Request, lease_id: str, sent: float, reply: Reply) -> Claimed:
        """A grant whose answer came late says little about what is left: it is asked for again."""
        if self._clock.now() - sent <= request.ttl / 2:
            return sent, reply
        sent = self._clock.now()
        again = await self._ask(request, lease_id)
        return sent, reply.followed_by(again)

    def _over(self, request: Request, lease_id: str, token: int, reply: Reply) -> None:
        """A grant was over before we heard of it."""
        if request.at_least is not None:  # the name stays taken
            self._withdraw_soon(request, lease_id)
        # A boundary of `every` is over, too.
        if request.tick is None and not reply.taken_for(request.size, but=token):
            raise LeaseLostError(request.name, request.owner, token, SLOW)

    def _withdraw_soon(self, request: Request, lease_id: str) -> None:
        self.withdrawals.soon(request.name, lease_id, mutex=request.mutex)

    async def _ask(self, request: Request, lease_id: str) -> Reply | None:
        keeps = request.at_least is not None
        return await self._backend.ask(request.name, lease_id, mutex=request.mutex, keeps=keeps)

    def _margin(self, ttl: float) -> float:
        margin = default_margin(ttl) if self._clock_margin is None else self._clock_margin
        return min(margin, ttl / 2)

    async def _renew_batch(self, batch: Sequence[Holding], within: float) -> set[str]:
        leases = {holding.name: (holding.id, holding.fencing_token) for holding in batch}
        return await self._renewals.renew(leases, within)

    async def _refresh_batch(self, batch: Sequence[Place], within: float) -> set[str]:
        return await self._renewals.refresh({place.name: place.id for place in batch}, within)

    def _ended(self, holding: Holding) -> None:
        self.keep_alive.discard(holding)
        self.held.pop(holding.id, None)
        # One that is neither kept alive nor released was to expire, and to keep the name that long.
        meant = holding.ended == EXPIRED and holding.keeps and not holding.request.keep_alive
        lost = holding.ended not in {*NO_LOSS, CLOSED} and not meant
        holding.story.ended(lost=lost)
        if lost:
            self.losses += 1
            self._losses.add(holding.name, str(holding.ended))

    def _revived(self, lease: Renewable) -> None:
        # One that was released is its release's affair, which must not find that it is gone already. A place
        # in a queue is withdrawn by its waiter, or has become a lease under the same id.
        if isinstance(lease, Holding) and lease.ended == EXPIRED:
            self._let_go(lease)
