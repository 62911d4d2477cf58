"""An event loop that runs in one thread, and says so to all others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import Context
from typing import TypeVarTuple

Ts = TypeVarTuple("Ts")


class OneThreadLoop(asyncio.SelectorEventLoop):
    """Refuses what another thread asks of it, unless that asks by ``call_soon_threadsafe``.

    As asyncio's debug mode does, which also notes where each task and timer was made, and takes as long
    again for that.
    """

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """As asyncio's."""
        self._check()
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """As asyncio's."""
        self._check()
        return super().call_at(when, callback, *args, context=context)

    def _check(self) -> None:
        if threading.get_ident() != self._thread:
            raise RuntimeError("another thread may call_soon_threadsafe, and nothing else")
