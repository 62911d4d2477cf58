"""The tasks of one process that wait for the same name: whose turn it is."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

Ticket = asyncio.Future[None]

# So many readers at most stand in the queue of a lock at a time; each is an entry of its document.
TOGETHER = 100


class Lines:
    """One line for each name: first come, first served; readers that stand next to each other, together."""

    def __init__(self) -> None:
        self._lines: dict[str, OrderedDict[Ticket, bool]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._lines

    async def enter(
        self, name: str, waits: Callable[[], object] = lambda: None, *, reads: bool = False
    ) -> Ticket:
        """Wait until all who came before have left, but for readers before a reader.

        ``waits`` is called if there is anybody to wait for. Whoever has entered, leaves in the end.
        """
        line = self._lines.setdefault(name, OrderedDict())
        ticket = asyncio.get_running_loop().create_future()
        line[ticket] = reads
        self._call(line)
        if not ticket.done():
            try:
                waits()
                await ticket
            except BaseException:
                self.leave(name, ticket)
                raise
        return ticket

    def leave(self, name: str, ticket: Ticket) -> None:
        """It is the next one's turn."""
        line = self._lines[name]
        del line[ticket]
        if not line:
            del self._lines[name]
        self._call(line)

    def _call(self, line: OrderedDict[Ticket, bool]) -> None:
        """Those whose turn it is. One that was cancelled just now passes the turn on when it leaves."""
        for number, (ticket, reads) in enumerate(line.items()):
            if number == TOGETHER or (number and not reads):
                return
            if not ticket.done():
                ticket.set_result(None)
            if not reads:
                return
