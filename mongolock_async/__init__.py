"""A distributed lock for asyncio services that already have MongoDB.

>>> locks = LockRepository(db.locks)
>>> async with locks.lock("nightly-report"):
...     ...
"""

from ._document import Holder, LockInfo, Waiter
from ._errors import LeaseLostError, LockBackendError, LockError, LockTimeoutError, StaleTokenError
from ._lease import Lease
from ._lock import Lock
from ._repository import LockRepository

__all__ = [
    "Holder",
    "Lease",
    "LeaseLostError",
    "Lock",
    "LockBackendError",
    "LockError",
    "LockInfo",
    "LockRepository",
    "LockTimeoutError",
    "StaleTokenError",
    "Waiter",
]
