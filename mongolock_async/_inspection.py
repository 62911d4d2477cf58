"""Looking inside, and by force."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ._document import LockInfo
from ._session import Session
from ._settings import check_name
from ._stats import Stats
from ._store import Store


class Inspection:
    """The part of a repository that looks at locks, and takes none."""

    def __init__(self, store: Store, session: Session) -> None:
        self._store = store
        self._session = session

    async def create(self, name: str) -> None:
        """Make the document of a lock and the TTL index. Optional: the first claim does it too.

        Raises:
            TypeError, ValueError: ``name`` is no name for a lock.
            LockError: the document under that name is no lock.
            LockBackendError: MongoDB did not do as asked.
        """
        check_name(name)
        self._session.check_usable()
        await self._session.index()
        await self._store.touch(name)

    async def get(self, name: str) -> LockInfo | None:
        """Look at one lock; None: it has no document.

        Raises:
            TypeError, ValueError, LockError, LockBackendError: as ``create``.
        """
        check_name(name)
        self._session.check_usable()
        return await self._store.view(name)

    async def list(self, prefix: str = "") -> AsyncIterator[LockInfo]:
        """Look at every lock whose name begins so, in the order of names; also at those that are free.

        Raises:
            TypeError, ValueError: ``prefix`` is neither empty nor a name for a lock.
            LockBackendError: MongoDB did not do as asked.
        """
        if prefix != "":
            check_name(prefix)
        self._session.check_usable()
        async for info in self._store.views(prefix):
            yield info

    async def force_release(self, name: str) -> bool:
        """Free a lock, whoever holds it. Its holder learns of it at its next renewal, not before.

        Until then, two may believe in the same lock.

        Returns:
            True if anybody held it.

        Raises:
            TypeError, ValueError, LockError, LockBackendError: as ``create``.
        """
        check_name(name)
        self._session.check_usable()
        return await self._store.release_all(name)

    def stats(self) -> Stats:
        """What this repository does and has done, in this process. Sends nothing."""
        return self._session.stats()
