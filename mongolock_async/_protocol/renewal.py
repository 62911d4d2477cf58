"""What renews many leases, or refreshes many places: one update, and a question which of them stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from . import keeping
from .expressions import Expression, Stage, each, is_lock, keep, some


@dataclass(frozen=True, slots=True)
class Renewal:
    """One command for many documents, each of which has one of the leases or places.

    Attributes:
        ids: the leases or places.
        which: the filter: the documents in which one of them stands. As many as there are ids: all stand.
        stages: what the update does.
        live: the projection of a document: those that stand in it, under ``live``.
    """

    ids: frozenset[str]
    which: Stage
    stages: list[Stage]
    live: Stage


def renewal(leases: Mapping[str, tuple[str, int]]) -> Renewal:
    """Of a lease (id and token) for each name."""
    tokens = dict(leases.values())
    return _of(leases, tokens, keeping.renew(tokens), "$holders", keeping.held(tokens))


def refreshing(places: Mapping[str, str]) -> Renewal:
    """Of a place for each name."""
    ids = list(places.values())
    return _of(places, ids, keeping.refresh(ids), "$queue", keeping.queued(ids))


def _of(
    names: Iterable[str], ids: Iterable[str], stages: list[Stage], array: str, stand: Expression
) -> Renewal:
    which = {"_id": {"$in": list(names)}, "$expr": {"$and": [is_lock(), some(array, stand)]}}
    return Renewal(frozenset(ids), which, stages, {"live": each(keep(array, stand), "$$e.lease")})
