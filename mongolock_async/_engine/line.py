"""The tasks of one process that wait for the same name: whose turn it is."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

Ticket = asyncio.Future[None]


class Lines:
    """One line for each name: first come, first served."""

    def __init__(self) -> None:
        self._lines: dict[str, OrderedDict[Ticket, None]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._lines

    async def enter(self, name: str) -> Ticket:
        """Wait until all who came before have left; whoever has entered, leaves in the end."""
        line = self._lines.setdefault(name, OrderedDict())
        ticket = asyncio.get_running_loop().create_future()
        line[ticket] = None
        if next(iter(line)) is not ticket:
            try:
                await ticket
            except BaseException:
                self.leave(name, ticket)
                raise
        return ticket

    def leave(self, name: str, ticket: Ticket) -> None:
        """It is the next one's turn."""
        line = self._lines[name]
        was_first = next(iter(line)) is ticket
        del line[ticket]
        if not line:
            del self._lines[name]
        elif was_first:
            first = next(iter(line))
            # One that was cancelled just now passes the turn on when it leaves.
            if not first.done():
                first.set_result(None)
