"""One ``async with``, and what the loss of a lease does to the body."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from .clock import Clock, wait
from .holding import NO_LOSS, Holding


class Block:
    """Cancels the task that entered it, once, when a lease is lost.

    Args:
        cancels: whether it does so; else, the body looks for itself.

    Attributes:
        holdings: its leases: one, but for ``lock_all``.
        lost: the one that was lost first.
        task: the one that entered.
        over: set once nobody has to wait for the end of the body.
    """

    def __init__(self, *, cancels: bool = True) -> None:
        task = asyncio.current_task()
        assert task is not None  # a coroutine of ours runs
        self.holdings: list[Holding] = []
        self.lost: Holding | None = None
        self.task = task
        self.over = asyncio.Event()
        self._cancelling = task.cancelling()
        self._cancelled = False
        self._inside = True
        self._cancels = cancels
        self._undisturbed = False

    @property
    def interrupted(self) -> bool:
        """Whether it has cancelled its task."""
        return self._cancelled

    @property
    def left(self) -> float:
        """Seconds until the server may let the next one in to all of what it holds."""
        return max(holding.left for holding in self.holdings)

    def add(self, holding: Holding) -> None:
        """The body runs under this lease, too."""
        self.holdings.append(holding)
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
            if self.lost is not None:
                asyncio.get_running_loop().call_soon(self._cancel)

    def _interrupt(self, holding: Holding) -> None:
        if self._inside and holding.ended not in NO_LOSS:
            self.lost = self.lost or holding
            # Not at once: it may be the body itself that has just found out, by renew().
            asyncio.get_running_loop().call_soon(self._cancel)

    def _cancel(self) -> None:
        if self._cancels and self._inside and not self._undisturbed and not self._cancelled:
            self._cancelled = self.task.cancel()


class Blocks:
    """The blocks of one member whose bodies run. Each releases its own lease when its body has ended."""

    def __init__(self) -> None:
        self._running: dict[str, Block] = {}

    def enter(self, *holdings: Holding, cancels: bool = True) -> Block:
        """The current task enters one."""
        block = Block(cancels=cancels)
        for holding in holdings:
            self.join(block, holding)
        return block

    def join(self, block: Block, holding: Holding) -> None:
        """One more lease, in the same block."""
        self._running[holding.id] = block
        block.add(holding)

    def leave(self, block: Block, exc_type: type[BaseException] | None) -> bool:
        """See ``Block.leave``."""
        for holding in block.holdings:
            self._running.pop(holding.id, None)  # ``async with lease`` may stand inside ``async with lock``
        return block.leave(exc_type)

    def around(self, holding: Holding) -> bool:
        """Whether there is one for this lease."""
        return holding.id in self._running

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Those of the current task, which waits for the end of all others, are not cancelled meanwhile."""
        task = asyncio.current_task()
        with ExitStack() as stack:
            for block in [one for one in self._all if one.task is task]:
                stack.enter_context(block.undisturbed())
            yield

    async def ended(self, clock: Clock) -> None:
        """Wait for the end of each body, but no longer than its lease keeps the next one out.

        Where the task that entered is done, nobody can be told to end.
        """
        for block in self._all:
            if not block.over.is_set() and not block.task.done():
                await wait(clock, block.over, block.left)

    @property
    def _all(self) -> list[Block]:
        return list(dict.fromkeys(self._running.values()))


def note_loss(error: BaseException, holding: Holding, reason: str) -> None:
    """Make a loss visible that another error hides."""
    if holding.is_lost_by(error):
        return
    with contextlib.suppress(Exception):  # some errors cannot be changed, such as a frozen dataclass
        error.add_note(f"lease {holding.fencing_token} of lock {holding.name!r} was lost meanwhile: {reason}")
