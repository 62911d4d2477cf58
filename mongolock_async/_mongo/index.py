"""The TTL index, which cleans up the documents of locks that nobody uses any more."""

from __future__ import annotations

import logging

from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

from mongolock_async._errors import LockError

from .link import Link

logger = logging.getLogger("mongolock_async")

FIELD = "expires_at"
# There is an index of that name, or on that field, with other options or another name.
CONFLICTS = {85, 86}
# In which case the server says so: it is the same index.
OTHER_NAME = "Index already exists with a different name"
# CannotCreateIndex: there is none of this kind on a capped collection.
CAPPED = 67


async def make_index(link: Link, retention: float) -> bool:
    """Make it; False: not now, try again later. Clean-up alone depends on it, so that no failure is raised.

    Args:
        link: the collection.
        retention: seconds after which the document of an unused lock is removed.

    Raises:
        LockError: the collection is capped, and would remove locks that are held.
    """
    seconds = max(1, round(retention))
    try:
        await link.majority.create_index(FIELD, expireAfterSeconds=seconds)
    except PyMongoError as error:
        code = error.code if isinstance(error, OperationFailure) else None
        if code == CAPPED:
            raise LockError(
                f"{link.full_name} is a capped collection: locks need an ordinary collection"
            ) from error
        if code in CONFLICTS:
            if OTHER_NAME not in str(error):
                await _compare(link, seconds)
            return True
        logger.warning(
            "no TTL index on %s.%s: %s (code %s); documents of locks no longer used stay there",
            link.full_name,
            FIELD,
            type(error).__name__,
            code,
        )
        return not isinstance(error, ConnectionFailure)
    return True


async def _compare(link: Link, seconds: int) -> None:
    """Say what is there instead, unless it serves as well."""
    place = f"{link.full_name}.{FIELD}"
    try:
        indexes = (await link.majority.index_information()).values()
    except PyMongoError:
        logger.warning(
            "an index on %s is there already, and is left as it is: it differs from the one that is wanted, "
            "with expireAfterSeconds %d, in what we have no right to see (listIndexes)",
            place,
            seconds,
        )
        return
    there = [index for index in indexes if index["key"] == [(FIELD, 1)]]
    lives = [index.get("expireAfterSeconds") for index in there if "partialFilterExpression" not in index]
    if seconds not in lives:
        logger.warning(
            "%s has no TTL index of %d s; what is there instead is left as it is (expireAfterSeconds: %s)",
            place,
            seconds,
            ", ".join(map(str, lives)) or None,
        )
