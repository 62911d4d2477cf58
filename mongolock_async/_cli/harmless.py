"""Names, owners and values, so that they do nothing to a terminal."""

from __future__ import annotations


def harmless(label: object) -> str:
    r"""What can be seen of it as it is, and all else as Python writes it, such as ``\x1b`` or ``\u202e``."""
    return "".join(one if one.isprintable() else _escaped(one) for one in str(label))


def _escaped(one: str) -> str:
    return one.encode("unicode_escape").decode()
