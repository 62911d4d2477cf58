"""A distributed lock for asyncio services that already have MongoDB.

>>> locks = LockRepository(db.locks)
>>> async with locks.lock("nightly-report"):
...     ...
"""

import logging

from ._api.election import Election, Leader
from ._api.fence import Fenced
from ._api.info import Holder, LockInfo, Waiter
from ._api.lease import Lease
from ._api.lock import Lock
from ._api.lock_all import LockAll
from ._api.repository import LockRepository
from ._api.rwlock import RWLock
from ._api.schedule import Schedule
from ._api.stats import Latency, Stats
from ._errors import LeaseLostError, LockBackendError, LockError, LockTimeoutError, StaleTokenError

__all__ = [
    "Election",
    "Fenced",
    "Holder",
    "Latency",
    "Leader",
    "Lease",
    "LeaseLostError",
    "Lock",
    "LockAll",
    "LockBackendError",
    "LockError",
    "LockInfo",
    "LockRepository",
    "LockTimeoutError",
    "RWLock",
    "Schedule",
    "StaleTokenError",
    "Stats",
    "Waiter",
]

__version__ = "0.2.0"

# Silent, unless the application has set up logging.
logging.getLogger(__name__).addHandler(logging.NullHandler())
