"""A collection whose writes a newer fencing token refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mongolock_async._mongo.fence import Fence, Filter

from .bound import Bound

if TYPE_CHECKING:
    from mongolock_async._mongo.collection import Collection

Update = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class Fenced(Bound):
    """A collection, written to under a lease: each document remembers the newest token that wrote it.

    A write takes effect only on documents that no newer token has written, and stamps them; a document
    without a stamp may be written by any token. Only writes that go through a fence are fenced. A deleted
    document takes its stamp along, so that an older holder may insert it again. Options are those of the
    driver's methods, and so are the results and the errors. Tokens of different locks cannot be compared:
    two locks that guard the same documents need a field each.

    The idea is Martin Kleppmann's, "How to do distributed locking" (2016).
    """

    def __init__(
        self, collection: Collection, name: str, fencing_token: int, field: str, lease: object = None
    ) -> None:
        self._lease = lease  # it is wanted for as long as it is written under
        self._field = _check_field(field)
        self._token = fencing_token
        self._fence = Fence(collection, name, fencing_token, field)

    async def update_one(
        self, filter: Filter, update: Update, *, upsert: bool = False, **options: Any
    ) -> Any:
        """As the driver's. With ``upsert``, filter by ``_id`` or another unique key.

        Raises:
            StaleTokenError: a newer token has written the document.
        """
        stamped = self._stamped(update)
        return await self._fence.write("update_one", filter, stamped, upsert=upsert, **options)

    async def replace_one(
        self, filter: Filter, replacement: Filter, *, upsert: bool = False, **options: Any
    ) -> Any:
        """As the driver's. With ``upsert``, filter by ``_id`` or another unique key.

        Raises:
            StaleTokenError: a newer token has written the document.
        """
        stamped = {**replacement, self._field: self._token}
        return await self._fence.write("replace_one", filter, stamped, upsert=upsert, **options)

    async def find_one_and_update(
        self, filter: Filter, update: Update, *, upsert: bool = False, **options: Any
    ) -> Any:
        """As the driver's; with ``sort``, the first of the documents that no newer token has written.

        With ``upsert``, filter by ``_id`` or another unique key.

        Raises:
            StaleTokenError: a newer token has written the document, or all of them.
        """
        stamped = self._stamped(update)
        return await self._fence.write("find_one_and_update", filter, stamped, upsert=upsert, **options)

    async def find_one_and_replace(
        self, filter: Filter, replacement: Filter, *, upsert: bool = False, **options: Any
    ) -> Any:
        """As the driver's; with ``sort``, the first of the documents that no newer token has written.

        With ``upsert``, filter by ``_id`` or another unique key.

        Raises:
            StaleTokenError: a newer token has written the document, or all of them.
        """
        stamped = {**replacement, self._field: self._token}
        return await self._fence.write("find_one_and_replace", filter, stamped, upsert=upsert, **options)

    async def find_one_and_delete(self, filter: Filter, **options: Any) -> Any:
        """As the driver's; with ``sort``, the first of the documents that no newer token has written.

        Raises:
            StaleTokenError: a newer token has written the document, or all of them.
        """
        return await self._fence.find_one_and_delete(filter, **options)

    async def update_many(self, filter: Filter, update: Update, **options: Any) -> Any:
        """As the driver's, without ``upsert``. Documents that no newer token has written are updated.

        Raises:
            StaleTokenError: a newer token has written some of the documents; those are as they were.
        """
        if "upsert" in options:
            raise TypeError("update_many has no upsert under a fence: it could not tell whom to refuse")
        return await self._fence.update_many(filter, self._stamped(update), **options)

    async def delete_one(self, filter: Filter, **options: Any) -> Any:
        """As the driver's.

        Raises:
            StaleTokenError: a newer token has written the document.
        """
        return await self._fence.delete_one(filter, **options)

    async def delete_many(self, filter: Filter, **options: Any) -> Any:
        """As the driver's. Documents that no newer token has written are deleted.

        Raises:
            StaleTokenError: a newer token has written some of the documents; those are as they were.
        """
        return await self._fence.delete_many(filter, **options)

    async def insert_one(self, document: Filter, **options: Any) -> Any:
        """As the driver's: a ``document`` without ``_id`` is given one. The stamp is not put into it.

        So the same mapping may be inserted again after an error, and by the fence of another lease.

        Raises:
            StaleTokenError: the document is there, and a newer token has written it.
        """
        return await self._fence.insert_one(document, **options)

    def _stamped(self, update: Update) -> Update:
        if not update:
            return update  # the driver refuses it, in its own words
        if isinstance(update, Mapping):
            return {**update, "$set": {**update.get("$set", {}), self._field: self._token}}
        return [*update, {"$set": {self._field: {"$literal": self._token}}}]


def _check_field(field: object) -> str:
    if not isinstance(field, str):
        raise TypeError(f"field must be a str, not {type(field).__name__}")
    if not field or field == "_id" or field.startswith("$") or "." in field or "\0" in field:
        raise ValueError(f"field must be a plain field name, not {field!r}")
    return field
