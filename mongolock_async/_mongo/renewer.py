"""Renewals by a client of their own; also by PyMongo's blocking one, for which a thread of ours waits."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextvars import Context
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

import pymongo
from bson.errors import BSONError
from pymongo.errors import PyMongoError
from pymongo.synchronous.collection import Collection as PyMongoCollection

from mongolock_async._engine.backend import Renewer
from mongolock_async._protocol.renewal import Renewal, refreshing, renewal

from .backend import MongoBackend
from .collection import check_renewal_collection
from .link import MAJORITY, backend_error

if TYPE_CHECKING:
    from .collection import RenewalCollection

T = TypeVar("T")


def renewer_on(collection: RenewalCollection, *, retention: float | None, timeout: float) -> Renewer:
    """What renews on this collection.

    Raises:
        TypeError: it is no collection of PyMongo.
        ValueError: it is one of Motor.
    """
    check_renewal_collection(collection)
    if isinstance(collection, PyMongoCollection):
        return BlockingRenewer(collection)
    return MongoBackend(collection, retention=retention, timeout=timeout)


class BlockingRenewer:
    """Renews by PyMongo's blocking client. See ``Renewer``.

    Each command has a thread for as long as it takes: one that hangs holds up no other.
    """

    own_thread = True

    def __init__(self, collection: PyMongoCollection[Any]) -> None:
        self._locks: PyMongoCollection[Any] = collection.with_options(**MAJORITY)

    @property
    def full_name(self) -> str:
        """``database.collection``."""
        return self._locks.full_name

    def bind(self) -> None:
        """See ``Renewer``. A blocking client belongs to no event loop."""

    async def renew(self, leases: Mapping[str, tuple[str, int]], within: float) -> set[str]:
        """See ``Renewer``."""
        return await _in_a_thread(functools.partial(self._update, renewal(leases), within))

    async def refresh(self, places: Mapping[str, str], within: float) -> set[str]:
        """See ``Renewer``."""
        return await _in_a_thread(functools.partial(self._update, refreshing(places), within))

    async def aclose(self) -> None:
        """See ``Renewer``. It keeps nothing; a command that hangs ends with its time."""

    def _update(self, those: Renewal, within: float) -> set[str]:
        """As ``Commands.update_many``, for the thread that it stops."""
        try:
            with pymongo.timeout(within):
                result = self._locks.update_many(those.which, those.stages)
                if result.matched_count == len(those.ids):
                    return set(those.ids)
                found = self._locks.find(those.which, those.live)
                return {lease for one in found for lease in one["live"]}
        except (PyMongoError, BSONError) as error:
            raise backend_error("renew", None, error) from error


async def _in_a_thread(work: Callable[[], T]) -> T:
    """In a thread for it alone, and with an empty context. At exit, nobody waits for it."""
    done = Future[T]()
    done.set_running_or_notify_cancel()  # from here on, nobody can cancel it

    def run() -> None:
        try:
            done.set_result(Context().run(work))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            done.set_exception(error)

    Thread(target=run, name="mongolock_async renewal", daemon=True).start()
    return await asyncio.wrap_future(done)
