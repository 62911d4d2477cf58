"""One ``async with``, and what the loss of its lease does to the body."""

from __future__ import annotations

import asyncio

from .holding import RELEASED, Holding


class Block:
    """Cancels the task that entered it when the lease is lost.

    Attributes:
        task: the one that entered.
        lost: why the lease was lost while the body ran; None: it was not.
    """

    def __init__(self, holding: Holding) -> None:
        task = asyncio.current_task()
        assert task is not None  # a coroutine of ours runs
        self.holding = holding
        self.task = task
        self.lost: str | None = None
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
            self.lost = holding.ended
            # Not at once: it may be the body itself that has just found out, by renew().
            asyncio.get_running_loop().call_soon(self._cancel)

    def _cancel(self) -> None:
        if self._inside:
            self._cancelled = self.task.cancel()
