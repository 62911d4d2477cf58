"""Signals for ``mongolock run``, and for its command."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest

from mongolock_async._cli.child import Child
from mongolock_async._cli.signals import Signals


class Heard(Child):
    """A command that does nothing but hear them."""

    def __init__(self) -> None:
        self.killer = None
        self.signals: list[int] = []

    def send(self, number: int) -> None:
        self.signals.append(number)


@pytest.fixture(autouse=True)
def harmless() -> Iterator[None]:
    """Ctrl-Z does not stop the tests, also if nobody takes it."""
    before = signal.signal(signal.SIGTSTP, lambda *_: None)
    yield
    signal.signal(signal.SIGTSTP, before)


async def test_a_ctrl_z_that_comes_while_the_command_starts_is_the_commands() -> None:
    signals, child = Signals(), Heard()
    signals.take()
    signal.raise_signal(signal.SIGTSTP)
    signals.forward_to(child)
    async with asyncio.timeout(10):
        while not child.signals:
            await asyncio.sleep(0.005)
    assert child.signals == [signal.SIGTSTP]
    signals.forward_no_more()
