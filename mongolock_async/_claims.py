"""What a session has claimed: the holdings of one process and one repository."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable

from . import _clock
from ._background import Background
from ._document import Grant, Reply
from ._errors import LeaseLostError, LockBackendError, LockError
from ._holding import CLOSED, EXPIRED, FORCED, RELEASED, SLOW, TAKEN, Holding, Keeper
from ._keepalive import KeepAlive, Renewable
from ._link import ClientSession
from ._request import Request
from ._stats import Recorder
from ._store import Store

logger = logging.getLogger("mongolock_async")


class Claims:
    """Turns the server's grants into holdings, keeps them alive, and gives back what nobody wants."""

    def __init__(
        self,
        session: str,
        store: Store,
        renewals: Store,
        background: Background,
        margin: Callable[[float], float],
        keeper: Keeper,
    ) -> None:
        self.keep_alive = KeepAlive(renewals.renew_many, _clock.now, FORCED, self._revived)
        self.held: dict[str, Holding] = {}
        self.losses = 0
        self.obtained = Recorder()
        self.handed = Recorder()
        self.handed_at = float("-inf")
        self._session = session
        self._store = store
        self._background = background
        self._margin = margin
        self._keeper = keeper
        self._numbers = itertools.count(1)

    def new_id(self) -> str:
        """A lease id that was never used."""
        return f"{self._session}.{next(self._numbers)}"

    async def claim(
        self, request: Request, lease_id: str, *, wait: bool = False
    ) -> tuple[Holding | None, Reply]:
        """Claim once; with ``wait``, what is not granted stands in the queue."""
        pipeline, projection = request.command(lease_id, wait=wait)
        session = await self._store.session(request.name)
        try:
            sent = _clock.now()
            reply = await self._store.claim(request.name, pipeline, projection, session)
            grant = reply.grant
            if grant is not None:
                self.obtained.add(_clock.now() - sent)
                if _clock.now() - sent > request.ttl / 2:
                    sent, grant = await self._confirm(request.name, lease_id)
        except LockBackendError:
            # It may have been granted all the same.
            self.forget_soon(request.name, lease_id, session)
            raise
        except LockError:
            await session.end_session()
            raise
        await session.end_session()
        if grant is None:
            if reply.place is None and reply.capacity != request.capacity:
                raise LockError(f"{request.name!r} is in use with capacity {reply.capacity}")
            return None, reply
        return self.hold(request, lease_id, grant, sent), reply

    async def ask(self, request: Request, lease_id: str) -> tuple[Holding | None, Reply | None]:
        """What one who stands in the queue has got by now; takes what a dead holder has left."""
        sent = _clock.now()
        reply = await self._store.renew(request.name, lease_id)
        grant = reply.grant if reply is not None else None
        if reply is None or grant is None:
            return None, reply
        self._hand_over(reply, grant.fencing_token)
        if _clock.now() - sent > request.ttl / 2:
            sent, grant = await self._confirm(request.name, lease_id)
            if grant is None:
                return None, None
        return self.hold(request, lease_id, grant, sent), reply

    def hold(self, request: Request, lease_id: str, grant: Grant, sent: float) -> Holding:
        """It is ours, by an answer to what was sent then.

        Raises:
            LeaseLostError: it is over already.
        """
        holding = Holding(
            lease_id,
            request.name,
            request.owner,
            grant.fencing_token,
            request.ttl,
            self._margin(request.ttl),
            self._keeper,
        )
        self.held[lease_id] = holding
        holding.on_end(self._let_go)
        holding.confirm(sent, grant.remaining)
        if holding.ended is not None:
            self.forget_soon(holding.name, lease_id)
            raise LeaseLostError(holding.name, holding.owner, holding.fencing_token, SLOW)
        if request.keep_alive:
            self.keep_alive.add(holding)
        return holding

    async def renew(self, holding: Holding, *, first: bool = False) -> bool:
        """Whether it is still ours; ``first``: it was granted while it waited."""
        sent = _clock.now()
        reply = await self._store.renew(holding.name, holding.id)
        grant = reply.grant if reply is not None else None
        if holding.ended == RELEASED:
            return False
        if reply is None or grant is None:
            holding.end(TAKEN if reply is not None and reply.holders else FORCED)
            return False
        if first:
            self._hand_over(reply, grant.fencing_token)
        holding.confirm(sent, grant.remaining)
        if holding.ended is not None:  # the answer came too late, and the server holds it for nobody
            self.forget_soon(holding.name, holding.id)
        return holding.held

    def forget_soon(self, name: str, lease_id: str, session: ClientSession | None = None) -> None:
        """Give it back in the background; in the session of its claim, it cannot be overtaken by that."""
        self._background.spawn(self.forget(name, lease_id, session), detached=True)

    async def forget(self, name: str, lease_id: str, session: ClientSession | None = None) -> Reply | None:
        """Give back what the lease has, if anything: what that was, where the server says so."""
        try:
            return await self._store.leave(name, lease_id, session)
        except LockError as error:
            logger.warning("a lease of %r was not given back; it expires by itself: %s", name, error)
            return None
        finally:
            if session is not None:
                await session.end_session()

    async def undo(self, claim: asyncio.Task[tuple[Holding | None, Reply]]) -> None:
        """Give back what a claim may get whose caller has gone."""
        await asyncio.wait([claim])
        if not claim.cancelled() and claim.exception() is None and (holding := claim.result()[0]):
            holding.end(RELEASED)
            await self.forget(holding.name, holding.id)

    async def aclose(self) -> None:
        """Stop renewing, and give back what is held."""
        await self.keep_alive.aclose()
        for holding in list(self.held.values()):
            holding.end(CLOSED)
            self.forget_soon(holding.name, holding.id)

    async def _confirm(self, name: str, lease_id: str) -> tuple[float, Grant | None]:
        """An answer that came late, after a failover for instance, says little about what is left."""
        sent = _clock.now()
        renewed = await self._store.renew(name, lease_id)
        return sent, renewed.grant if renewed is not None else None

    def _hand_over(self, reply: Reply, token: int) -> None:
        self.handed_at = _clock.now()
        for holder in reply.holders:
            if holder.fencing_token == token:
                self.handed.add(holder.age)

    def _let_go(self, holding: Holding) -> None:
        self.keep_alive.discard(holding)
        self.held.pop(holding.id, None)
        if holding.ended not in {RELEASED, CLOSED}:
            self.losses += 1
            logger.warning("lease of %r is lost: %s", holding.name, holding.ended)

    def _revived(self, lease: Renewable) -> None:
        # One that was released is its release's affair, which must not find that it is gone already. A place
        # in a queue is given back by its waiter, or has become a lease under the same id.
        if isinstance(lease, Holding) and lease.ended == EXPIRED:
            self.forget_soon(lease.name, lease.id)
