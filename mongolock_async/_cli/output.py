"""Standard output, for tables."""

from __future__ import annotations

import sys

from rich.console import Console

# Where nobody looks at a terminal, nothing is cut.
_ENDLESS = 100_000


def console() -> Console:
    """Colours and cut labels for a terminal; for all else, whole lines of plain text.

    ``NO_COLOR`` has no colours on a terminal, either.
    """
    looked_at = sys.stdout.isatty()
    return _Console(
        force_terminal=looked_at,
        width=None if looked_at else _ENDLESS,
        markup=False,
        emoji=False,
        highlight=False,
    )


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Let main end the program, as after any other print."""
        raise  # noqa: PLE0704 - rich calls it while it handles the error
