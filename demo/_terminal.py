"""What the demo prints: coloured on a terminal, plain into a file, each line at once."""

from __future__ import annotations

import logging
import os
import sys

GREEN, YELLOW, DIM = "32", "33", "2"


def prepare() -> None:
    """Let each line out as soon as it is complete, into a pipe too."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # stdout is a TextIOWrapper here


def say(line: str = "", colour: str | None = None) -> None:
    """Print a line."""
    coloured = colour and sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(f"\033[{colour}m{line}\033[0m" if coloured else line)


def end_line() -> None:
    """End the line on which a terminal shows Ctrl-C."""
    if sys.stdout.isatty():
        print()


class Says(logging.Handler):
    """Says what the package logs of outages; all else that goes wrong is said in the demo's own lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it, without the name of the schedule."""
        _, _, text = record.getMessage().partition(": MongoDB is ")
        if text:
            say(f"MongoDB is {text}", YELLOW)
