"""What a repository does and has done, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

from mongolock_async._engine.member import Member
from mongolock_async._engine.recorder import Recorder


@dataclass(frozen=True, slots=True)
class Latency:
    """How long something took, of the last 1,000 times.

    Attributes:
        median: seconds.
        p99: seconds; the 99th percentile.
    """

    median: float
    p99: float


@dataclass(frozen=True, slots=True)
class Stats:
    """What a repository does and has done in this process.

    Attributes:
        held: leases that it holds now.
        waiting: callers that wait for a lock now.
        waits_by: ``"calls"``, or ``"polling"`` where they cannot be heard; None: nobody has waited of late.
        renewals: renewals of one lease, or of one place in a queue, that the server has confirmed.
        losses: leases that ended without having been released.
        obtain: from sending a claim that won to its answer; None: there was none yet.
        renewal: from sending a renewal to its answer; None: there was none yet.
        hand_off: by the server's clock, from the grant of a lock that was waited for to the first command
            of its new holder, which it sends as soon as it knows; None: there was none yet.
    """

    held: int
    waiting: int
    waits_by: str | None
    renewals: int
    losses: int
    obtain: Latency | None
    renewal: Latency | None
    hand_off: Latency | None


def stats_of(member: Member) -> Stats:
    """What this member does, and has done."""
    leases = member.leases
    return Stats(
        held=len(leases.held),
        waiting=member.waiting.count,
        waits_by=member.waiting.ear.mode,
        renewals=leases.keep_alive.renewals,
        losses=leases.losses,
        obtain=_latency(leases.obtained),
        renewal=_latency(leases.keep_alive.latency),
        hand_off=_latency(leases.handed),
    )


def _latency(recorder: Recorder) -> Latency | None:
    figures = recorder.median_and_p99()
    return None if figures is None else Latency(*figures)
