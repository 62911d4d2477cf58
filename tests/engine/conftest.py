"""No server here: repositories are made on memory, in virtual time."""

from on_memory import store

__all__ = ["store"]
