"""Writes that a newer fencing token refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pymongo import ReadPreference
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern

from ._collection import check_collection
from ._errors import StaleTokenError

if TYPE_CHECKING:
    from ._collection import Collection

Filter = Mapping[str, Any]
Update = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class Fenced:
    """A collection, written to under a lease: each document remembers the newest token that wrote it.

    A write takes effect only on documents that no newer token has written, and stamps them; a document
    without a stamp was written by nobody yet. Only writes that go through a fence are fenced. A deleted
    document takes its stamp along, so that an older holder may insert it again. Options are those of the
    driver's methods, and so are the results and the errors.

    The idea is Martin Kleppmann's, "How to do distributed locking" (2016).
    """

    def __init__(self, collection: Collection, name: str, fencing_token: int, field: str) -> None:
        self._collection = check_collection(collection)
        if not self._collection.write_concern.acknowledged:
            raise ValueError("a fence needs acknowledged writes, and the collection has w=0")
        # A majority read would not see yet the newer stamp that has just refused us.
        self._looking = self._collection.with_options(
            read_preference=ReadPreference.PRIMARY, read_concern=ReadConcern("local")
        )
        self._name = name
        self._token = fencing_token
        self._field = _check_field(field)

    async def update_one(
        self, filter: Filter, update: Update, *, upsert: bool = False, **options: Any
    ) -> Any:
        """As the driver's. With ``upsert``, filter by ``_id`` or another unique key.

        Raises:
            StaleTokenError: a newer token has written the document.
        """
        stamped = self._stamped(update)
        return await self._write("update_one", filter, stamped, upsert=upsert, **options)

    async def replace_one(
        self, filter: Filter, replacement: Filter, *, upsert: bool = False, **options: Any
    ) -> Any:
        """As the driver's. With ``upsert``, filter by ``_id`` or another unique key.

        Raises:
            StaleTokenError: a newer token has written the document.
        """
        stamped = {**replacement, self._field: self._token}
        return await self._write("replace_one", filter, stamped, upsert=upsert, **options)

    async def find_one_and_update(
        self, filter: Filter, update: Update, *, upsert: bool = False, **options: Any
    ) -> Any:
        """As the driver's; with ``sort``, the first of the documents that no newer token has written.

        With ``upsert``, filter by ``_id`` or another unique key.

        Raises:
            StaleTokenError: a newer token has written the document, or all of them.
        """
        stamped = self._stamped(update)
        return await self._write("find_one_and_update", filter, stamped, upsert=upsert, **options)

    async def update_many(self, filter: Filter, update: Update, **options: Any) -> Any:
        """As the driver's, without ``upsert``. Documents that no newer token has written are updated.

        Raises:
            StaleTokenError: a newer token has written some of the documents; those are as they were.
        """
        if "upsert" in options:
            raise TypeError("update_many has no upsert under a fence: it could not tell whom to refuse")
        result = await self._collection.update_many(self._guarded(filter), self._stamped(update), **options)
        await self._refuse_stale(filter, options)
        return result

    async def delete_one(self, filter: Filter, **options: Any) -> Any:
        """As the driver's.

        Raises:
            StaleTokenError: a newer token has written the document.
        """
        result = await self._collection.delete_one(self._guarded(filter), **options)
        if not result.deleted_count:
            await self._refuse_stale(filter, options)
        return result

    async def insert_one(self, document: Filter, **options: Any) -> Any:
        """As the driver's.

        Raises:
            StaleTokenError: the document is there, and a newer token has written it.
        """
        try:
            return await self._collection.insert_one({**document, self._field: self._token}, **options)
        except DuplicateKeyError:
            if "_id" in document and not _aborted(options):
                await self._refuse_stale({"_id": document["_id"]}, options)
            raise

    async def _write(self, method: str, filter: Filter, change: Any, *, upsert: bool, **options: Any) -> Any:
        write = getattr(self._collection, method)
        result = await write(self._guarded(filter), change, **options)
        if _matched(result):
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
            if _matched(result):
                return result
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

    def _stamped(self, update: Update) -> Update:
        if not update:
            return update  # the driver refuses it, in its own words
        if isinstance(update, Mapping):
            return {**update, "$set": {**update.get("$set", {}), self._field: self._token}}
        return [*update, {"$set": {self._field: {"$literal": self._token}}}]


def _matched(result: Any) -> bool:
    """Of a guarded write: whether there was a document that it could write."""
    return result is not None and bool(getattr(result, "matched_count", True))


def _aborted(options: Mapping[str, Any]) -> bool:
    """Whether an error has ended a transaction, in which nothing more can be asked."""
    session = options.get("session")
    return session is not None and bool(session.in_transaction)


def _check_field(field: object) -> str:
    if not isinstance(field, str):
        raise TypeError(f"field must be a str, not {type(field).__name__}")
    if not field or field == "_id" or field.startswith("$") or "." in field or "\0" in field:
        raise ValueError(f"field must be a plain field name, not {field!r}")
    return field
