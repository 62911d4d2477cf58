"""Commands that differ by their ids only: encoded once, and sent often."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from mongolock_async._protocol.expressions import Stage

Build = Callable[..., tuple[list[Stage], Stage]]

# How many kinds of commands are remembered: one for each owner and ttl, for instance.
KINDS = 256
# Stand for the ids in what is remembered, cut to their length: nobody can guess them, and so put them into
# an owner. A shorter id might stand there by chance.
_MARKS = [secrets.token_hex(64) for _ in range(4)]
SHORTEST = 16


def encoded(build: Build, ids: Sequence[str], *args: Hashable) -> tuple[list[Any], Any]:
    """The pipeline and the projection of ``build(*ids, *args)``, encoded.

    The driver copies what is encoded already, where it would walk through hundreds of small dicts.
    """
    lengths = [len(one) for one in ids]
    if min(lengths) < SHORTEST or max(lengths) > len(_MARKS[0]):
        return build(*ids, *args)
    marks = tuple(mark[:length] for mark, length in zip(_MARKS, lengths, strict=False))
    actual = [(mark.encode(), one.encode()) for mark, one in zip(marks, ids, strict=True)]
    *stages, answer = (_filled(part, actual) for part in _parts(build, marks, *args))
    return stages, answer


@lru_cache(KINDS)
def _parts(build: Build, marks: tuple[str, ...], *args: Hashable) -> list[RawBSONDocument | bytes]:
    """Documents where there are no ids, and else bytes, in which the ids are to be put."""
    stages, answer = build(*marks, *args)
    parts = (bson.encode(part) for part in (*stages, answer))
    return [part if any(mark.encode() in part for mark in marks) else RawBSONDocument(part) for part in parts]


def _filled(part: RawBSONDocument | bytes, ids: list[tuple[bytes, bytes]]) -> RawBSONDocument:
    if isinstance(part, RawBSONDocument):
        return part
    for mark, one in ids:
        part = part.replace(mark, one)
    return RawBSONDocument(part)
