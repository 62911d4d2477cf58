"""One ``async with``, and what the loss of its lease does to the body."""

from __future__ import annotations

import asyncio
import contextlib

from mongolock_async._errors import LeaseLostError

from .holding import RELEASED, Holding


class Block:
    """Cancels the task that entered it when the lease is lost.

    Attributes:
        task: the one that entered.
    """

    def __init__(self, holding: Holding) -> None:
        task = asyncio.current_task()
        assert task is not None  # a coroutine of ours runs
        self.holding = holding
        self.task = task
        self._cancelling = task.cancelling()
        self._cancelled = False
        self._inside = True
        holding.on_end(self._interrupt)

    def leave(self, exc_type: type[BaseException] | None) -> bool:
        """Whether an error of ours may stand for what the body raised; as ``asyncio.Timeout.__aexit__``."""
        self._inside = False
        ours_alone = self._cancelled and self.task.uncancel() <= self._cancelling
        return exc_type is None or (ours_alone and exc_type is asyncio.CancelledError)

    def _interrupt(self, holding: Holding) -> None:
        if self._inside and holding.ended != RELEASED:
            # Not at once: it may be the body itself that has just found out, by renew().
            asyncio.get_running_loop().call_soon(self._cancel)

    def _cancel(self) -> None:
        if self._inside:
            self._cancelled = self.task.cancel()


def note_loss(error: BaseException, holding: Holding, reason: str) -> None:
    """Make a loss visible that another error hides."""
    name, token = holding.name, holding.fencing_token
    if isinstance(error, LeaseLostError) and (error.name, error.fencing_token) == (name, token):
        return
    with contextlib.suppress(Exception):  # some errors cannot be changed, such as a frozen dataclass
        error.add_note(f"lease {token} of lock {name!r} was lost meanwhile: {reason}")
