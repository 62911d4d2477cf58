"""The explorations of the protocol as it is."""

from __future__ import annotations

from dataclasses import dataclass

from .bounds import Bounds


@dataclass(frozen=True, slots=True)
class Plan:
    """What is explored, in words and in bounds."""

    name: str
    bounds: Bounds


def everything(depth: int) -> Plan:
    """All that is modelled, as far as this many steps go."""
    return Plan("three members that do all they can, two failures", Bounds(depth=depth, queued=True))


def _few(failures: int, ahead: tuple[int, ...], *moves: str) -> Bounds:
    return Bounds(2, failures, unheard=1, ahead=ahead, moves=frozenset(moves))


PLANS = (
    everything(7),
    Plan(
        "three members that wait, ask and release, no failure",
        Bounds(3, 0, 14, unheard=1, ahead=(0,), moves=frozenset({"wait", "ask", "release"})),
    ),
    Plan("two members that try, write and release, no failure", _few(0, (0,), "try", "write", "release")),
    Plan("two members that wait, ask and release, no failure", _few(0, (0,), "wait", "ask", "release")),
    Plan(
        "two members that wait, refresh and release, no failure", _few(0, (0,), "wait", "refresh", "release")
    ),
    Plan("two members that wait, renew and release, no failure", _few(0, (0,), "wait", "renew", "release")),
    Plan("two members that try, renew and release, one failure", _few(1, (0, 1), "try", "renew", "release")),
    Plan("two members that wait and release, one failure", _few(1, (0,), "wait", "release")),
)
