"""Which members of this process share a listener, and what each of them hears with."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from mongolock_async._engine.backend import Call

from .calls import Calls
from .capped import Capped


class MemberEar:
    """What one member hears with. See ``Ear``."""

    def __init__(
        self, calls: Calls, member: str, hear: Callable[[Call], None], changed: Callable[[], None]
    ) -> None:
        self.id = member
        self.hear = hear
        self.changed = changed
        self._calls = calls
        calls.join(self)

    @property
    def deaf(self) -> bool:
        """See ``Ear``."""
        return self._calls.deaf

    @property
    def mode(self) -> str | None:
        """See ``Ear``."""
        return self._calls.mode

    def wanted(self) -> AbstractContextManager[None]:
        """See ``Ear``."""
        return self._calls.wanted()

    def missed(self) -> None:
        """See ``Ear``."""
        self._calls.missed()

    async def aclose(self) -> None:
        """See ``Ear``."""
        await self._calls.leave(self.id)


_known: weakref.WeakValueDictionary[tuple[int, int, str], Calls] = weakref.WeakValueDictionary()


def calls_of(locks: Any) -> Calls:  # noqa: ANN401 - a collection of either driver
    """The calls of this process, by this client, on this collection."""
    key = os.getpid(), id(locks.database.client), str(locks.full_name)
    calls = _known.get(key)
    if calls is None:
        calls = _known[key] = Calls(Capped(locks))
    return calls
