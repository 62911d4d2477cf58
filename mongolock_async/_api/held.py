"""What a lease says of itself."""

from __future__ import annotations

import asyncio
from datetime import datetime

from mongolock_async._engine.boundaries import moment
from mongolock_async._engine.holding import Holding
from mongolock_async._settings import Owner

from .bound import Bound


class Held(Bound):
    """All of it may be read at any time. Nothing is sent."""

    def __init__(self, holding: Holding) -> None:
        self._holding = holding

    def __repr__(self) -> str:
        state = self._holding.ended or f"{self.remaining:.3f} s left"
        return f"<Lease {self.name!r} of {self.owner!r}, token {self.fencing_token}: {state}>"

    @property
    def name(self) -> str:
        """The lock."""
        return self._holding.name

    @property
    def owner(self) -> Owner:
        """Who holds it, for people to read."""
        return self._holding.owner

    @property
    def fencing_token(self) -> int:
        """An integer that is greater with each grant of this name, for ever."""
        return self._holding.fencing_token

    @property
    def ttl(self) -> float:
        """Seconds from the grant, or from the last renewal, to the expiry on the server.

        After ``renew(ttl=...)``, the new one.
        """
        return self._holding.ttl

    @property
    def boundary(self) -> datetime | None:
        """The boundary of a schedule that it was granted for, in UTC. None if it is no schedule's."""
        boundary = self._holding.boundary_ms
        return None if boundary is None else moment(boundary)

    @property
    def lost(self) -> asyncio.Event:
        """Set when the lease ends without having been released; in the event loop, as soon as that runs."""
        return self._holding.lost

    @property
    def held(self) -> bool:
        """Whether the lease is certainly still ours; the clock is read each time. Any thread may ask.

        It turns False a little before the server lets anybody else in: at the last *sending* of a
        successful claim or renewal, plus the ttl, less a margin. In a forked child it is False.
        """
        return self._holding.held

    @property
    def remaining(self) -> float:
        """Seconds until ``held`` turns False, unless the lease is renewed; 0 when it is over.

        Any thread may ask.
        """
        return self._holding.remaining
