"""Commands that change locks, and that call whom they have granted one."""

from __future__ import annotations

import functools
import itertools
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pymongo
from pymongo import ReturnDocument

from mongolock_async._errors import LockBackendError
from mongolock_async._protocol.expressions import Stage
from mongolock_async._protocol.renewal import Renewal
from mongolock_async._protocol.reply import Reply

from .calls import Calls, Moment
from .link import Link
from .sessions import ClientSession

Found = Mapping[str, Any]


class Commands:
    """Each in a session, which knows the moment at which it was carried out."""

    def __init__(self, link: Link, calls: Calls) -> None:
        self._link = link
        self._calls = calls
        self._id = secrets.token_hex(8)
        self._numbers = itertools.count(1)
        # The sessions of claims that have no answer, until they are withdrawn.
        self._unknown: dict[str, ClientSession] = {}

    def new_id(self) -> str:
        """Of a command that may grant; the same in its repetitions."""
        return f"{self._id}.{next(self._numbers)}"

    @asynccontextmanager
    async def session(
        self, action: str, name: str, claim: str | None = None, *, of: str | None = None
    ) -> AsyncIterator[ClientSession]:
        """For one command, with our errors for the driver's.

        That of a ``claim`` without an answer is kept for the withdrawal ``of`` it, which cannot be overtaken
        by it then.
        """
        session = None
        try:
            with self._link.command(action, name):
                session = self._unknown.pop(of or "", None) or await self._link.sessions.begin()
                yield session
        except LockBackendError:
            if claim is not None and session is not None:
                self._unknown[claim] = session
            raise
        finally:
            if session is not None and claim not in self._unknown:
                await self._link.sessions.end(session)

    async def change(
        self, name: str, stages: list[Stage], answer: Stage, session: ClientSession, *, upsert: bool = False
    ) -> Found | None:
        """Change a document, for a majority; None: there is none."""
        found = await self._link.change({"_id": name}, stages, answer, upsert=upsert, session=session)
        await self._tell(name, found, session)
        return found

    async def let_out(
        self,
        name: str,
        taken: str,
        by: str,
        stages: list[Stage],
        answer: Stage,
        session: ClientSession,
        *,
        sure: bool = False,
    ) -> tuple[Found | None, int]:
        """Take out what is to be ``taken``, by the command ``by``: the answer, and how often it was sent.

        For one node, unless it is to be ``sure``.
        """
        kind = self._link.majority if sure else self._link.local
        send = functools.partial(
            kind.find_one_and_update,
            {"_id": name},
            stages,
            projection=answer,
            return_document=ReturnDocument.AFTER,
        )
        sent = 0

        async def counted(**options: Any) -> Found | None:  # noqa: ANN401 - the driver's
            nonlocal sent
            sent += 1
            found: Found | None = await send(**options)
            return found

        found = await self._link.insist(counted, session)
        if found is not None and "reply" not in found:
            found = stored(found, taken, by)
        await self._tell(name, found, session)
        return found, sent

    async def update_many(self, those: Renewal, within: float) -> set[str]:
        """The ids of those that stand. A second command tells which, where not all of them do."""
        with self._link.command("renew", None), pymongo.timeout(within):
            result = await self._link.majority.update_many(those.which, those.stages)
            if result.matched_count == len(those.ids):
                return set(those.ids)
            found = self._link.majority.find(those.which, those.live)
            return {lease async for one in found for lease in one["live"]}

    async def _tell(self, name: str, found: Found | None, session: ClientSession) -> None:
        if found is None:
            return
        granted: Sequence[Any] = found["reply"].get("granted", ())
        if granted:
            await self._calls.tell(name, granted, Moment.of(session))


def stored(document: Found, taken: str, by: str) -> Found:
    """The stored document, with which a command is answered that the driver repeated, tells as much."""
    holders = [holder for holder in document.get("holders", ()) if holder.get("by") == by]
    granted = [holder | {"lease": holder.get("upgrade", holder["lease"])} for holder in holders]
    return {"released": document.get("released") == taken, "reply": {"granted": granted}}


def was_held(found: Found | None, sent: int) -> bool | None:
    """None: it may have been; one that was sent twice may have found out the first time."""
    return (found is not None and bool(found["released"])) or (None if sent > 1 else False)


def reply_of(found: Found | None) -> Reply | None:
    """The answer; None: there is no document."""
    return None if found is None else Reply(found["reply"])
