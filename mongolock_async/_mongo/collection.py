"""The collections that a repository can be made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymongo.asynchronous.collection import AsyncCollection

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorCollection

    Collection = AsyncCollection[Any] | AsyncIOMotorCollection[Any]


def check_collection(collection: object) -> Any:  # noqa: ANN401 - two drivers, one interface, no common base
    """A Motor or PyMongo async collection; Motor is told by its name, so that it need not be imported."""
    motor = ("motor.motor_asyncio", "AsyncIOMotorCollection")
    bases = [(base.__module__, base.__name__) for base in type(collection).__mro__]
    if isinstance(collection, AsyncCollection) or motor in bases:
        return collection
    raise TypeError(
        "pass an async collection, such as AsyncMongoClient()['app']['locks'] of PyMongo or "
        f"AsyncIOMotorClient()['app']['locks'] of Motor, not {bases[0][0]}.{bases[0][1]}"
    )
