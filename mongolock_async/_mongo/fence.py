"""The writes of a fence: refused where a newer token has written."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from bson import ObjectId
from pymongo import ReadPreference
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern

from mongolock_async._errors import StaleTokenError

from .collection import check_collection

if TYPE_CHECKING:
    from .collection import Collection

Filter = Mapping[str, Any]


class Fence:
    """A collection of the user's, in whose documents a field keeps the newest token that has written them.

    Args:
        collection: of either driver.
        name: the lock.
        token: the fencing token of the lease that writes.
        field: where a document keeps the newest token.
    """

    def __init__(self, collection: Collection, name: str, token: int, field: str) -> None:
        self._collection = check_collection(collection)
        if not self._collection.write_concern.acknowledged:
            raise ValueError("a fence needs acknowledged writes, and the collection has w=0")
        # A majority read would not see yet the newer stamp that has just refused us.
        self._looking = self._collection.with_options(
            read_preference=ReadPreference.PRIMARY, read_concern=ReadConcern("local")
        )
        self._name = name
        self._token = token
        self._field = field

    async def write(self, method: str, filter: Filter, change: Any, *, upsert: bool, **options: Any) -> Any:
        """Change one document, by this method of the driver's."""
        write = getattr(self._collection, method)
        result = await write(self._guarded(filter), change, **options)
        if _matched(method, result):
            return result
        # An upsert comes second: guarded, it would insert beside the document that refuses it.
        await self._refuse_stale(filter, options)
        if not upsert:
            return result
        try:
            return await write(self._guarded(filter), change, upsert=True, **options)
        except DuplicateKeyError:
            if _aborted(options):
                raise
            # Somebody was faster. An older token, or our own, does not stand in our way.
            await self._refuse_stale(filter, options)
            result = await write(self._guarded(filter), change, **options)
            if _matched(method, result):
                return result
            raise

    async def update_many(self, filter: Filter, change: Any, **options: Any) -> Any:
        """Change all that may be changed; refuse afterwards, if there were others."""
        result = await self._collection.update_many(self._guarded(filter), change, **options)
        await self._refuse_stale(filter, options)
        return result

    async def delete_one(self, filter: Filter, **options: Any) -> Any:
        """Delete one document."""
        result = await self._collection.delete_one(self._guarded(filter), **options)
        if not result.deleted_count:
            await self._refuse_stale(filter, options)
        return result

    async def delete_many(self, filter: Filter, **options: Any) -> Any:
        """Delete all that may be deleted; refuse afterwards, if there were others."""
        result = await self._collection.delete_many(self._guarded(filter), **options)
        await self._refuse_stale(filter, options)
        return result

    async def find_one_and_delete(self, filter: Filter, **options: Any) -> Any:
        """Delete one document, and return it."""
        found = await self._collection.find_one_and_delete(self._guarded(filter), **options)
        if found is None:
            await self._refuse_stale(filter, options)
        return found

    async def insert_one(self, document: Filter, **options: Any) -> Any:
        """Insert a document, with the stamp; one that is there already may be newer."""
        if isinstance(document, MutableMapping) and "_id" not in document:
            document["_id"] = ObjectId()  # as the driver does with what it is given; ours is a copy
        try:
            return await self._collection.insert_one({**document, self._field: self._token}, **options)
        except DuplicateKeyError:
            if "_id" in document and not _aborted(options):
                await self._refuse_stale({"_id": document["_id"]}, options)
            raise

    async def _refuse_stale(self, filter: Filter, options: Mapping[str, Any]) -> None:
        newer = {"$and": [filter, {self._field: {"$gt": self._token}}]}
        same = {key: options[key] for key in ("session", "collation", "let") if key in options}
        if await self._looking.find_one(newer, {"_id": 1}, **same) is not None:
            raise StaleTokenError(self._name, self._token)

    def _guarded(self, filter: Filter) -> Filter:
        if not isinstance(filter, Mapping):
            raise TypeError(f"filter must be a mapping, not {type(filter).__name__}")
        return {"$and": [filter, {self._field: {"$not": {"$gt": self._token}}}]}


def _matched(method: str, result: Any) -> bool:
    """Of a guarded write: whether there was a document that it could write.

    A method that finds gives that document, of a class of the caller's, which may have any attribute.
    """
    return result is not None if method.startswith("find_one") else result.matched_count > 0


def _aborted(options: Mapping[str, Any]) -> bool:
    """Whether an error has ended a transaction, in which nothing more can be asked."""
    session = options.get("session")
    return session is not None and bool(session.in_transaction)
