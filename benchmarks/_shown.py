"""How far it is, on standard error: the table is for standard output."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress

# Seconds: a measurement may take a minute, and the time that is left is reckoned from those of an hour.
HOUR = 3600.0


class Shown:
    """A line that moves on a terminal; into a file, a line for each measurement.

    Args:
        parts: how many measurements each of them has.
    """

    def __init__(self, parts: Mapping[str, int]) -> None:
        self._parts = parts
        self._done: Counter[str] = Counter()
        console = Console(stderr=True)
        self._lines = not console.is_terminal
        self._progress = Progress(
            console=console,
            redirect_stdout=False,
            transient=True,
            disable=self._lines,
            speed_estimate_period=HOUR,
        )
        self._line = self._progress.add_task("measurements", total=sum(parts.values()))

    def measured(self, part: str) -> None:
        """One more measurement of that part is over."""
        self._done[part] += 1
        text = f"{part}, {self._done[part]} of {self._parts[part]}"
        self._progress.update(self._line, description=text, advance=1)
        if self._lines:
            print(text, file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
