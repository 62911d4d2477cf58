"""Transactions that commit only under a lease."""

from __future__ import annotations

from pymongo.errors import OperationFailure, PyMongoError

from mongolock_async._engine.backend import Transaction
from mongolock_async._errors import LockBackendError
from mongolock_async._protocol import pipeline, projection

from .link import Link

# By this label of an error, with_transaction knows that it may start again.
TRANSIENT = "TransientTransactionError"
CONFLICT = 112


async def verify(link: Link, name: str, lease: str, token: int, session: Transaction) -> bool:
    """In the transaction: whether the lease is live, with this token; from here to the commit it stays so.

    The transaction sees the document as it was at its beginning. If it has changed since, by a renewal
    for instance, the server refuses the write, with a label; if it has not, what it says is the truth.
    """
    held = projection.was_held(lease, token)
    try:
        with link.command("verify", name):
            seen = await link.majority.find_one_and_update(
                {"_id": name, "holders": {"$elemMatch": {"lease": lease, "token": token}}},
                pipeline.verify(),
                projection=held,
                session=session,
            )
            if seen is not None:
                return bool(seen["held"])
            now = await link.majority.find_one({"_id": name}, held)
            if now is not None and now["held"]:
                begun_before = "the transaction began before the lease"
                raise OperationFailure(begun_before, CONFLICT, {"errorLabels": [TRANSIENT]})
            return False
    except LockBackendError as error:
        if isinstance(error.__cause__, PyMongoError) and error.__cause__.has_error_label(TRANSIENT):
            raise error.__cause__ from None
        raise
