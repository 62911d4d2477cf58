"""Calls: whoever is granted a lock by a command of somebody else is told so."""

from __future__ import annotations

import logging
import secrets
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import pymongo
from bson import Timestamp
from pymongo.errors import PyMongoError

from mongolock_async._engine.backend import Call
from mongolock_async._errors import LockError
from mongolock_async._protocol.reply import Granted

from .capped import Capped
from .listening import Listening
from .sessions import ClientSession

logger = logging.getLogger("mongolock_async")

# A caller waits for so many seconds until its call is acknowledged.
TELL = 1.0
# Listening outlives the last waiter by so many seconds: the next one often comes soon.
LINGER = 5.0


class Member(Protocol):
    """One whose places may be called."""

    @property
    def id(self) -> str: ...
    @property
    def hear(self) -> Callable[[Call], None]: ...
    @property
    def changed(self) -> Callable[[], None]: ...


@dataclass(frozen=True, slots=True)
class Moment:
    """When a command was carried out, by the clock of a replica set."""

    operation_time: Timestamp
    cluster_time: Mapping[str, Any]

    @classmethod
    def of(cls, session: ClientSession) -> Moment | None:
        """That of the session's last command; None on a standalone server."""
        if session.operation_time is None or session.cluster_time is None:
            return None
        return cls(session.operation_time, session.cluster_time)

    def reach(self, session: ClientSession) -> None:
        """What is read in this session is read after that."""
        session.advance_cluster_time(self.cluster_time)
        session.advance_operation_time(self.operation_time)


class Calls:
    """Those of all members of this process on one collection: one listener serves them all.

    Attributes:
        id: stands in the queue entries of our members, and tells callers whom to call.
    """

    def __init__(self, capped: Capped) -> None:
        self.id = secrets.token_hex(8)
        self._capped = capped
        self._members: weakref.WeakValueDictionary[str, Member] = weakref.WeakValueDictionary()
        self._wanted = 0
        self._unwanted_since = 0.0
        self._deaf = False
        self._listening: Listening | None = None

    @property
    def deaf(self) -> bool:
        """Whether calls are known not to arrive."""
        return self._deaf

    @property
    def heard(self) -> str | None:
        """Whom to call, for a place of ours; None: it would not be heard."""
        return None if self._deaf else self.id

    @property
    def mode(self) -> str | None:
        """How those who wait hear of their grants; None: nobody has waited of late."""
        if self._listening is None or self._listening.over:
            return None
        return "polling" if self._deaf else "calls"

    @contextmanager
    def wanted(self) -> Iterator[None]:
        """Listen during the block and for some seconds after it."""
        self._wanted += 1
        if self._listening is None or self._listening.over:
            self._listening = Listening(
                self._capped, self.id, self._read, self._state, self._idle, news=self._deaf
            )
        try:
            yield
        finally:
            self._wanted -= 1
            self._unwanted_since = time.monotonic()

    def missed(self) -> None:
        """A call did not arrive: a cursor on a former primary is half deaf, and does not say so."""
        if self._listening is not None:
            self._listening.renew()

    def join(self, member: Member) -> None:
        """A member hears its calls from now on, those from the same process at once."""
        self._members[member.id] = member

    async def leave(self, member: str) -> None:
        """A member hears nothing any more; with the last one, listening ends at once."""
        self._members.pop(member, None)
        if not self._members and self._listening is not None:
            listening, self._listening = self._listening, None
            await listening.aclose()

    async def tell(self, name: str, granted: Iterable[Granted], moment: Moment | None) -> None:
        """Call them; what fails is left to their looks."""
        others = []
        for one in granted:
            if one.get("ear") == self.id:
                self._hear(Call(name, one["lease"], moment))
            elif one.get("ear") is not None:
                others.append(one)
        if not others:
            return
        call: dict[str, Any] = {
            "to": [one.get("ear") for one in others],
            "name": name,
            "leases": [one["lease"] for one in others],
        }
        if moment is not None:
            call |= {"at": moment.operation_time, "cluster": moment.cluster_time}
        try:
            with pymongo.timeout(TELL):
                await self._capped.ensure()
                await self._capped.write(call)
        except (PyMongoError, LockError) as error:
            self._capped.lost()
            logger.info("a waiter for %r was not called, and has to look: %s", name, type(error).__name__)

    def _read(self, call: Mapping[str, Any]) -> None:
        """A call was read from the collection."""
        at = call.get("at")
        moment = None if at is None else Moment(at, call["cluster"])
        for lease in call.get("leases", ()):
            self._hear(Call(call["name"], lease, moment))

    def _hear(self, call: Call) -> None:
        if member := self._members.get(call.lease.rpartition(".")[0]):
            member.hear(call)

    def _state(self, error: Exception | None) -> None:
        """Listening has begun anew, or has failed: some calls may have been missed."""
        was_deaf, self._deaf = self._deaf, error is not None
        if error is not None and was_deaf:
            return
        if error is not None:
            code = getattr(error, "code", None)
            known = type(error).__name__ + ("" if code is None else f" (code {code})")
            reason = error if isinstance(error, LockError) else known
            logger.warning("waiting by polling: no calls from %s: %s", self._capped.full_name, reason)
        elif was_deaf:
            logger.warning("waiting by calls again: those from %s are heard", self._capped.full_name)
        for member in list(self._members.values()):
            member.changed()

    def _idle(self) -> bool:
        return self._wanted == 0 and time.monotonic() - self._unwanted_since >= LINGER
