"""A distributed lock for asyncio services that already have MongoDB.

>>> locks = LockRepository(db.locks)
>>> async with locks.lock("nightly-report"):
...     ...
"""

from ._document import Holder, LockInfo, Waiter
from ._errors import LeaseLostError, LockBackendError, LockError, LockTimeoutError, StaleTokenError
from ._fence import Fenced
from ._lease import Lease
from ._lock import Lock
from ._repository import LockRepository
from ._stats import Latency, Stats

__all__ = [
    "Fenced",
    "Holder",
    "Latency",
    "Lease",
    "LeaseLostError",
    "Lock",
    "LockBackendError",
    "LockError",
    "LockInfo",
    "LockRepository",
    "LockTimeoutError",
    "StaleTokenError",
    "Stats",
    "Waiter",
]
