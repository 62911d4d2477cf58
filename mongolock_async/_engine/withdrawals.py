"""What takes claims and leases out that nobody wants."""

from __future__ import annotations

from mongolock_async._errors import LockError
from mongolock_async._protocol.reply import Reply

from .backend import Backend
from .background import Background
from .clock import Clock
from .reports import Left

ONE = "a lease of %r was not withdrawn; it expires by itself"
MANY = "%d leases of %s were not withdrawn; they expire by themselves"
# How many claims that could not be withdrawn are remembered.
REMEMBERED = 1000


class Withdrawals:
    """Those of one member.

    Attributes:
        left_behind: the ids of the last claims that could not be withdrawn.
    """

    def __init__(self, backend: Backend, background: Background, clock: Clock) -> None:
        self.left_behind: dict[str, None] = {}
        self._backend = backend
        self._background = background
        self._failed = Left(clock, ONE, MANY)

    def soon(self, name: str, lease_id: str, **how: bool) -> None:
        """Take out, in the background, what nobody wants."""
        self._background.spawn(self.withdraw(name, lease_id, **how))

    async def withdraw(self, name: str, lease_id: str, **how: bool) -> Reply | None:
        """Take out what there is of a claim; where it stood, where the server says so.

        ``how``: as ``Backend.withdraw`` has it.
        """
        try:
            reply = await self._backend.withdraw(name, lease_id, **how)
        except LockError as error:
            self._failed.add(name, error)
            self.left_behind[lease_id] = None
            if len(self.left_behind) > REMEMBERED:
                del self.left_behind[next(iter(self.left_behind))]
            return None
        self.left_behind.pop(lease_id, None)
        return reply

    def end(self) -> None:
        """Say what was not said yet."""
        self._failed.end()
