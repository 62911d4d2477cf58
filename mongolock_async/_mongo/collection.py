"""The collections that a repository can be made of."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.synchronous.collection import Collection as PyMongoCollection

from mongolock_async._errors import LockError

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorCollection

    Collection = AsyncCollection[Any] | AsyncIOMotorCollection[Any]
    # Of a client that renews, and does nothing else.
    RenewalCollection = PyMongoCollection[Any] | AsyncCollection[Any]

MOTOR_RENEWS_NOTHING_MORE = (
    "renewal_collection of Motor helps nothing: all Motor clients of a process share one pool of threads; "
    "pass a collection of PyMongo's MongoClient, by which a thread of its own renews, or AsyncMongoClient"
)

TAKEN = ("pymongo.asynchronous.collection.AsyncCollection", "motor.motor_asyncio.AsyncIOMotorCollection")


def check_collection(collection: object) -> Any:  # noqa: ANN401 - two drivers, one interface, no common base
    """A Motor or PyMongo async collection, by the classes themselves; Motor need not be imported.

    Mocks (mongomock_motor) have the name of Motor's class, and say that they are instances of it.
    """
    classes = type(collection).__mro__
    if AsyncCollection in classes or _motor() in classes:
        return collection
    names = (f"{one.__module__}.{one.__name__}" for one in classes)
    raise TypeError(
        "pass an async collection, such as AsyncMongoClient()['app']['locks'] of PyMongo or "
        "AsyncIOMotorClient()['app']['locks'] of Motor (for tests: mongolock_async.testing.MemoryLocks()), "
        f"not {next(name for name in names if name not in TAKEN)}"
    )


def check_loop(collection: Any) -> None:  # noqa: ANN401 - of either driver
    """Refuse a client of another event loop: both drivers bind one to the loop of its first use."""
    if isinstance(collection, AsyncCollection):
        loop = getattr(collection.database.client, "_loop", None)
    else:
        loop = collection.get_io_loop()
    if loop not in {None, asyncio.get_running_loop()}:
        raise LockError(
            f"the client of {collection.full_name} belongs to another event loop; make client and "
            "LockRepository inside each"
        )


def check_renewal_collection(collection: object) -> None:
    """One of PyMongo, blocking or async."""
    classes = type(collection).__mro__
    if _motor() in classes:
        raise ValueError(MOTOR_RENEWS_NOTHING_MORE)
    if AsyncCollection not in classes and PyMongoCollection not in classes:
        raise TypeError(
            "renewal_collection must be a collection of PyMongo's MongoClient or AsyncMongoClient, "
            f"not {classes[0].__module__}.{classes[0].__name__}"
        )


def _motor() -> type | None:
    """Motor's collection; None: nobody has imported it."""
    return getattr(sys.modules.get("motor.motor_asyncio"), "AsyncIOMotorCollection", None)
