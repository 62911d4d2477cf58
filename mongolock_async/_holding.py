"""What the session does with a lease; its user sees the ``Lease`` in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from ._lease import Lease
from ._settings import Owner

RELEASED = "released"
EXPIRED = "expired unrenewed"
TAKEN = "taken over"
FORCED = "forced, or removed on the server"
CLOSED = "the repository was closed"
SLOW = "the answer took longer than the ttl"


class Transaction(Protocol):
    """A driver's session."""

    @property
    def in_transaction(self) -> bool: ...


def check_transaction(session: object) -> Transaction:
    """A driver's session, with a transaction under way."""
    in_transaction = getattr(session, "in_transaction", None)
    if not isinstance(in_transaction, bool):
        raise TypeError(f"session must be a session of the driver, not {type(session).__name__}")
    if not in_transaction:
        raise ValueError("session has no transaction under way: verify is the last call inside of one")
    return cast("Transaction", session)


class Keeper(Protocol):
    """Who talks to the server for a holding."""

    async def release(self, holding: Holding) -> bool: ...
    async def renew(self, holding: Holding) -> bool: ...
    async def verify(self, holding: Holding, session: object) -> None: ...


class Holding(Lease):
    """A lease, its id, and what becomes of it."""

    def __init__(
        self,
        lease_id: str,
        name: str,
        owner: Owner,
        fencing_token: int,
        ttl: float,
        margin: float,
        keeper: Keeper,
    ) -> None:
        super().__init__(name, owner, fencing_token, ttl, deadline=0.0)
        self._margin = margin
        self.id = lease_id
        self.given_back = False
        self.transaction: Transaction | None = None
        self._keeper = keeper
        self._on_end: list[Callable[[Holding], None]] = []
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    async def release(self) -> bool:
        return await self._keeper.release(self)

    async def renew(self) -> bool:
        return await self._keeper.renew(self)

    async def verify(self, session: object) -> None:
        await self._keeper.verify(self, session)

    @property
    def ended(self) -> str | None:
        """Why it is over; None: it is not."""
        return self._ended

    @property
    def alone(self) -> bool:
        """Whether a renewal might wait for the end of a transaction of our own."""
        return self.transaction is not None and self.transaction.in_transaction

    @property
    def resting(self) -> bool:
        """Whether it is left to its transaction for now: there is time enough."""
        return self.alone and self.remaining > self.ttl / 2

    def confirm(self, sent: float, remaining: float) -> None:
        """The server, asked at ``sent``, gave it ``remaining`` seconds from some moment after that."""
        self._deadline = max(self._deadline, sent + remaining - self._margin)
        if self._timer is None and self._ended is None:
            self._watch()

    def end(self, reason: str) -> None:
        """It is over, now. Anything but a release is a loss."""
        if self._ended is not None:
            return
        self._ended = reason
        if self._timer is not None:
            self._timer.cancel()
        if reason != RELEASED:
            self.lost.set()
        callbacks, self._on_end = self._on_end, []
        for callback in callbacks:
            callback(self)

    def on_end(self, callback: Callable[[Holding], None]) -> None:
        """Call back once it ends, in the event loop; at once, if it has."""
        if self._ended is None:
            self._on_end.append(callback)
        else:
            callback(self)

    def _watch(self) -> None:
        left = self.remaining
        if left > 0:
            # The loop's clock stands still while the machine sleeps; hence the look at ours on waking.
            self._timer = self._loop.call_later(left, self._watch)
        else:
            self.end(EXPIRED)
