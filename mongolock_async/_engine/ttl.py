"""How long a renewal lets a lease live, while that may change."""

from __future__ import annotations

import math

from mongolock_async._protocol.request import TtlChange


class Ttl:
    """The ttl that a lease has on the server; until a change of it is answered, the old one or the new one.

    Attributes:
        seconds: by the last answer.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._number = 0
        # What was sent before this moment counts this much at most.
        self._until = -math.inf
        self._shortest = seconds

    @property
    def sure(self) -> float:
        """What a renewal that is sent now gives for certain."""
        return self._shortest if self._until == math.inf else self.seconds

    def change(self, seconds: float) -> TtlChange:
        """A change is about to be sent."""
        self._shortest = min(self.sure, seconds)
        self._until = math.inf
        self._number += 1
        return TtlChange(self._number, seconds)

    def changed(self, change: TtlChange, now: float) -> None:
        """The server has answered. What was sent before is believed no more than before."""
        if change.number == self._number:
            self.seconds = change.ttl
            self._until = now

    def given(self, sent: float) -> float:
        """What a renewal gave that was sent then, and is answered now."""
        return self.seconds if sent >= self._until else self._shortest
