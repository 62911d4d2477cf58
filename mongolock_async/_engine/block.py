"""One ``async with``, and what the loss of its lease does to the body."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from mongolock_async._errors import LeaseLostError

from .clock import Clock, wait
from .holding import NO_LOSS, Holding


class Block:
    """Cancels the task that entered it when the lease is lost.

    Args:
        holding: the lease.
        cancels: whether it does so; else, the body looks for itself.

    Attributes:
        task: the one that entered.
        over: set once nobody has to wait for the end of the body.
    """

    def __init__(self, holding: Holding, *, cancels: bool = True) -> None:
        task = asyncio.current_task()
        assert task is not None  # a coroutine of ours runs
        self.holding = holding
        self.task = task
        self.over = asyncio.Event()
        self._cancelling = task.cancelling()
        self._cancelled = False
        self._inside = True
        self._cancels = cancels
        self._undisturbed = False
        holding.on_end(self._interrupt)

    def leave(self, exc_type: type[BaseException] | None) -> bool:
        """Whether an error of ours may stand for what the body raised; as ``asyncio.Timeout.__aexit__``."""
        self._inside = False
        self.over.set()
        ours_alone = self._cancelled and self.task.uncancel() <= self._cancelling
        return exc_type is None or (ours_alone and exc_type is asyncio.CancelledError)

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Its own task waits for all blocks to end: not for this one, and not cancelled before that."""
        self._undisturbed = True
        self.over.set()
        try:
            yield
        finally:
            self._undisturbed = False
            if self.holding.ended not in {None, *NO_LOSS}:
                asyncio.get_running_loop().call_soon(self._cancel)

    def _interrupt(self, holding: Holding) -> None:
        if self._inside and holding.ended not in NO_LOSS:
            # Not at once: it may be the body itself that has just found out, by renew().
            asyncio.get_running_loop().call_soon(self._cancel)

    def _cancel(self) -> None:
        if self._cancels and self._inside and not self._undisturbed and not self._cancelled:
            self._cancelled = self.task.cancel()


class Blocks:
    """The blocks of one member whose bodies run. Each releases its own lease when its body has ended."""

    def __init__(self) -> None:
        self._running: dict[str, Block] = {}

    def enter(self, holding: Holding, *, cancels: bool = True) -> Block:
        """The current task enters one."""
        block = self._running[holding.id] = Block(holding, cancels=cancels)
        return block

    def leave(self, block: Block, exc_type: type[BaseException] | None) -> bool:
        """See ``Block.leave``."""
        self._running.pop(block.holding.id, None)  # ``async with lease`` may stand inside ``async with lock``
        return block.leave(exc_type)

    def around(self, holding: Holding) -> bool:
        """Whether there is one for this lease."""
        return holding.id in self._running

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Those of the current task, which waits for the end of all others, are not cancelled meanwhile."""
        task = asyncio.current_task()
        with ExitStack() as stack:
            for block in [one for one in self._running.values() if one.task is task]:
                stack.enter_context(block.undisturbed())
            yield

    async def ended(self, clock: Clock) -> None:
        """Wait for the end of each body, but no longer than its lease keeps the next one out.

        Where the task that entered is done, nobody can be told to end.
        """
        for block in list(self._running.values()):
            if not block.over.is_set() and not block.task.done():
                await wait(clock, block.over, block.holding.left)


def note_loss(error: BaseException, holding: Holding, reason: str) -> None:
    """Make a loss visible that another error hides."""
    name, token = holding.name, holding.fencing_token
    if isinstance(error, LeaseLostError) and (error.name, error.fencing_token) == (name, token):
        return
    with contextlib.suppress(Exception):  # some errors cannot be changed, such as a frozen dataclass
        error.add_note(f"lease {token} of lock {name!r} was lost meanwhile: {reason}")
