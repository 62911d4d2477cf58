"""What listeners are told of a lease: nothing, as long as there are none."""

from __future__ import annotations

import asyncio


class LeaseStory:
    """That of a lease which nobody has asked about; ``told`` has the other one."""

    def renewed(self, sent: float) -> None:
        """The server has renewed it; asked then. In any thread."""

    def ended(self, *, lost: bool) -> None:
        """It is over, as this process knows it."""

    def ends_with(self, release: asyncio.Task[bool] | asyncio.Task[bool | None]) -> None:
        """Its holder has let it go; this task hears what the server says: whether it was ours, or None."""


UNTOLD = LeaseStory()
