"""Renewals that have failed: when they are tried again, and in batches of what size."""

from __future__ import annotations

from mongolock_async._errors import may_be_one_documents

# In twelfths of its life since the last renewal: a lease is renewed at 4. What fails at once is tried again
# at 5, 7 and 10 (one more each time, at most a period); what hangs, for 2 at the most, at 7 and 10. So two
# tries may hang, and three may fail, before the lease is in danger.
PERIODS = 3
LIMITS = 6
RETRIES = 12
BATCH = 1000
# A batch that one document may have failed goes on in parts: what that blocks, it blocks for itself alone.
PART = 32


class Retries:
    """What has failed since it was last renewed, by lease id."""

    def __init__(self) -> None:
        self._failures: dict[str, int] = {}
        self._parts: dict[str, int] = {}

    def __contains__(self, lease_id: str) -> bool:
        return lease_id in self._failures

    def size(self, lease_id: str) -> int:
        """With how many it may be renewed, itself included."""
        return self._parts.get(lease_id, BATCH)

    def forget(self, lease_id: str) -> None:
        """It was renewed, or is over."""
        self._failures.pop(lease_id, None)
        self._parts.pop(lease_id, None)

    def failed(self, lives: dict[str, float], sent: float, now: float, error: Exception) -> float:
        """These, by their lives, were sent together; the moment at which they are to be tried again."""
        # A new one among them has its tries, too.
        failures = 1 + min(self._failures.get(lease_id, 0) for lease_id in lives)
        twelfth = min(lives.values()) / RETRIES
        self._failures.update(dict.fromkeys(lives, failures))
        if may_be_one_documents(error):
            self._parts.update(dict.fromkeys(lives, PART if len(lives) > PART else 1))
        return max(sent + min(failures, RETRIES // PERIODS) * twelfth, now + twelfth)
