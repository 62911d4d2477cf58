"""A release and the next claim of the same process, by one command."""

from __future__ import annotations

import asyncio

from mongolock_async._errors import LockBackendError
from mongolock_async._protocol.reply import Reply
from mongolock_async._protocol.request import Request

from .backend import Backend
from .holding import Holding


class Giver:
    """A holder that hands its lease over.

    Attributes:
        released: what the release has to say: whether the lease was live; None: it may have been.
    """

    def __init__(self, holding: Holding) -> None:
        self.released: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
        self._holding = holding

    async def hand_over(self, backend: Backend, request: Request, waiter: str, first: float) -> Reply:
        """Release, and claim; the answer to the claim."""
        name, lease, token = self._holding.name, self._holding.id, self._holding.fencing_token
        try:
            was_held, reply = await backend.hand_over(name, lease, token, request, waiter, first)
        except BaseException as error:
            self.released.set_exception(error)
            if isinstance(error, LockBackendError):
                told = error.retold("obtain")
                raise told from told.__cause__
            raise
        self.released.set_result(was_held)
        return Reply({}) if reply is None else reply
