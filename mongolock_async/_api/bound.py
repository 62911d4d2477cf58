"""What belongs to one process, and cannot be copied."""

from __future__ import annotations

from typing import NoReturn


class Bound:
    """Refuses ``copy``, ``deepcopy`` and ``pickle``, all of which ask for ``__reduce__``."""

    def __reduce__(self) -> NoReturn:
        """Raises TypeError."""
        kind = type(self).__name__
        raise TypeError(
            f"this {kind} cannot be copied or pickled: it belongs to the process and the event loop in which "
            "it was made, and a copy would believe in leases that nobody renews for it"
        )
