"""Several locks at a time: all of them, or none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from mongolock_async._protocol.request import Request

from .block import Block, note_loss
from .holding import RELEASED, Holding
from .member import WORD, Member

# A lease that nothing is to renew from here on is renewed now, if it has less than this part of its ttl left.
FRESH = 0.8


class Several:
    """Takes locks one after the other, in the order of their names, so that nobody waits in a circle.

    Those it has are kept alive while it waits for the next ones. The task that takes them is inside a block
    of theirs meanwhile: it is cancelled when one of them is lost.

    Args:
        requests: one for each name, in the order of names; to be kept alive.
    """

    def __init__(self, member: Member, requests: Sequence[Request]) -> None:
        self._member = member
        self._requests = requests

    async def locked(self) -> bool:
        """Whether a claim of all of them would be refused now: one read for each, until one is."""
        for request in self._requests:
            if await self._member.locked(request):
                return True
        return False

    async def claim(self, *, keep_alive: bool) -> list[Holding] | None:
        """Take all of them, without waiting; None: one is taken."""

        async def one(request: Request) -> Holding:
            holding, _ = await self._member.claim(request.kept(keep_alive=keep_alive))
            if holding is None:
                raise _RefusedError
            return holding

        try:
            return self._without(await self._take(one))
        except _RefusedError:
            return None

    async def acquire(self, timeout: float | None, *, keep_alive: bool) -> list[Holding]:
        """Wait until all of them are ours."""
        return self._without(await self.enter(timeout, keep_alive=keep_alive))

    async def enter(self, timeout: float | None, *, keep_alive: bool = True) -> Block:
        """The same, and stay inside the block. One timeout, and one time of grace, for all of them."""
        began = self._member.clock.now()

        async def one(request: Request) -> Holding:
            return await self._member.acquire(request, timeout, began)

        return await self._take(one, keep_alive=keep_alive)

    async def leave(self, block: Block, error: BaseException | None) -> None:
        """The body has ended, by this error: release all of them.

        Raises:
            LeaseLostError: one was lost, and the body raised nothing else.
        """
        ours = self._member.leases.blocks.leave(block, None if error is None else type(error))
        reasons = await self._member.background.finish(self._end(block.holdings))
        _raise_loss(block, reasons, error, ours=ours)

    async def _take(self, one: Callable[[Request], Awaitable[Holding]], *, keep_alive: bool = True) -> Block:
        blocks = self._member.leases.blocks
        block = blocks.enter()
        try:
            for request in self._requests:
                blocks.join(block, await one(request))
            for holding in block.holdings:
                if not keep_alive:
                    await self._keep_no_longer(holding)
                if not holding.held:
                    raise holding.loss()  # noqa: TRY301 - as if it had cancelled us
        except BaseException as error:
            await self._give_up(block, error)
            raise
        return block

    def _without(self, block: Block) -> list[Holding]:
        """What it holds; there is no block any more."""
        self._member.leases.blocks.leave(block, None)
        return block.holdings

    async def _keep_no_longer(self, holding: Holding) -> None:
        """It expires by itself from here on, after about the whole ttl."""
        if holding.left < FRESH * holding.ttl:
            await self._member.renew(holding)
        holding.kept, holding.request = False, holding.request.kept(keep_alive=False)
        self._member.leases.keep_alive.discard(holding)

    async def _give_up(self, block: Block, error: BaseException) -> None:
        """Take out what was had: nothing was done under it. No longer than a second, also if cancelled."""
        ours = self._member.leases.blocks.leave(block, type(error))
        reasons = [holding.ended for holding in block.holdings]
        leaving = []
        for holding in block.holdings:
            holding.end(RELEASED)
            leaving.append(self._member.background.spawn(self._withdraw(holding)))
            holding.story.ends_with(leaving[-1])
        if leaving:
            await asyncio.wait(leaving, timeout=WORD)
        _raise_loss(block, reasons, error, ours=ours)

    async def _withdraw(self, holding: Holding) -> bool | None:
        """True: it is given back; None: the server has not said so."""
        withdrawals = self._member.leases.withdrawals
        await withdrawals.withdraw(holding.name, holding.id, mutex=True)
        self._member.waiting.released(holding.name)
        return None if holding.id in withdrawals.left_behind else True

    async def _end(self, holdings: Sequence[Holding]) -> list[str | None]:
        return await asyncio.gather(*map(self._member.end, holdings))


class _RefusedError(Exception):
    """One of them is taken."""


def _raise_loss(
    block: Block, reasons: Sequence[str | None], error: BaseException | None, *, ours: bool
) -> None:
    """Raise the first loss, if it may stand for the error; else, that has a note of each."""
    losses = [(holding, reason) for holding, reason in zip(block.holdings, reasons, strict=True) if reason]
    losses.sort(key=lambda loss: loss[0] is not block.lost)
    if losses and ours:
        holding, reason = losses[0]
        raise holding.loss(reason) from error
    if error is not None:
        for holding, reason in losses:
            note_loss(error, holding, reason)
