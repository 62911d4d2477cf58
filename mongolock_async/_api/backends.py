"""What a repository is put on: the place where its locks are, what renews its leases, and its clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mongolock_async._engine.clock import SystemClock
from mongolock_async._memory.locks import MemoryLocks
from mongolock_async._mongo.backend import MongoBackend
from mongolock_async._mongo.renewer import renewer_on

if TYPE_CHECKING:
    from mongolock_async._engine.backend import Backend, Renewer
    from mongolock_async._engine.clock import Clock
    from mongolock_async._mongo.collection import Collection, RenewalCollection


def backends_on(
    collection: Collection | MemoryLocks,
    renewal_collection: RenewalCollection | MemoryLocks | None,
    *,
    retention: float | None,
    timeout: float,
) -> tuple[Backend, Renewer, Clock]:
    """In seconds. See ``LockRepository``.

    Raises:
        TypeError, ValueError: they are not what can be taken, or not the same collection.
    """
    backend: Backend
    clock: Clock
    if isinstance(collection, MemoryLocks):
        backend, clock = collection.backend(), collection.clock
    else:
        backend, clock = MongoBackend(collection, retention=retention, timeout=timeout), SystemClock()
    renewer: Renewer
    if renewal_collection is None:
        renewer = backend
    elif isinstance(renewal_collection, MemoryLocks):
        renewer = renewal_collection.backend()
    else:
        renewer = renewer_on(renewal_collection, retention=retention, timeout=timeout)
    if renewer.full_name != backend.full_name:
        raise ValueError(f"renewal_collection must be {backend.full_name}, not {renewer.full_name}")
    return backend, renewer, clock
