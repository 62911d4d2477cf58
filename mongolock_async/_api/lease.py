"""One holding of a lock."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from mongolock_async._engine.block import Block, note_loss
from mongolock_async._engine.holding import Holding
from mongolock_async._engine.member import Member
from mongolock_async._settings import Seconds, check_life, check_timeout, check_value

from .exported import Exported
from .fence import Fenced
from .held import Held

if TYPE_CHECKING:
    from mongolock_async._mongo.collection import Collection


class Lease(Held):
    """One holding of a lock, from its grant to its release or expiry.

    ``LockRepository`` makes leases; you do not. A lease ends by ``release`` or by expiry and by
    nothing else, or goes on elsewhere (``export``). It does *not* promise that a process which was stopped
    (SIGSTOP, a suspended virtual machine) for longer than the ttl knows so before its next line runs:
    ``held`` is right whenever it is read, and ``fencing_token`` lets the thing that you write to refuse late
    writes.

    ``async with lease`` releases it at the end of the body. That is all: it does *not* keep the lease alive,
    and a loss neither cancels the body nor raises, as it does in ``async with lock``: look at ``lost``. To
    the body, the closing of the repository is such a loss; nobody is let in before body or lease have ended.

    A lease that is kept alive, and that you do not refer to any more, is not renewed any more: there is a
    ``ResourceWarning``, and it expires.
    """

    def __init__(self, member: Member, holding: Holding) -> None:
        super().__init__(holding)
        self._member = member
        self._block: Block | None = None

    def __del__(self) -> None:
        """Warn of one that is kept alive, and that nobody refers to any more: it expires from here on."""
        holding = getattr(self, "_holding", None)
        if holding is not None:
            self._member.abandoned.forgotten(holding)

    async def __aenter__(self) -> Self:
        """Nothing is sent: the lease is held already, or over."""
        self._block = self._member.leases.blocks.enter(self._holding, cancels=False)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Release it, unless that was done. A release that fails is logged, not raised: it expires by itself.

        An error of the body gets a note if the lease was lost meanwhile.
        """
        if self._block is not None:
            self._member.leases.blocks.leave(self._block, exc_type)
        lost = await self._member.end(self._holding)
        if lost is not None and exc is not None:
            note_loss(exc, self._holding, lost)

    async def release(self) -> bool:
        """Give the lock back.

        Returns:
            True if the lease was still ours; False if it was over, in which case nothing has
            changed: a late release frees nobody. A second release sends nothing, and says what the
            first one says, also where that is under way, or its caller was cancelled.

        Raises:
            LockBackendError: MongoDB did not answer. The lease is not ``held`` any more, and
                expires by itself; ``release`` may be tried again.
        """
        return await self._member.release(self._holding)

    async def renew(self, *, ttl: Seconds | None = None) -> bool:
        """Let the lease live for its whole ttl again, or for another one, from now on.

        Nothing that was promised is taken back: with a shorter ttl, it lives for as long as it would have.
        A lease that is kept alive is renewed at the pace of its new ttl.

        Args:
            ttl: seconds, or a timedelta, that each renewal lets it live from now on, at least 0.1 s; None: as
                before.

        Returns:
            True if it was still ours; False if it was over: an expired lease is never revived.

        Raises:
            TypeError, ValueError: ``ttl`` is wrong; nothing was sent.
            LockBackendError: MongoDB did not answer; the deadline stays what it was. A change of the ttl may
                have been made: until another one is answered, the shorter ttl counts.
        """
        seconds = None if ttl is None else check_life("ttl", ttl)
        return await self._member.renew(self._holding, seconds)

    async def upgrade(self, timeout: Seconds | None = None) -> None:
        """Of an upgradable reader: wait until no other reader is left, and hold the lock alone.

        It goes before all who wait, and no new reader is let in meanwhile. Since there is one upgradable
        reader at a time, it cannot deadlock. The lease, its token and its expiry stay what they are; if it
        is over, so is the upgrade. One command, if no other reader is there.

        Args:
            timeout: how long to wait: seconds, or a timedelta; 0: ask once; None: for ever. Whoever gives up,
                by this or by cancellation, is an upgradable reader as before.

        Raises:
            LockTimeoutError: other readers were there for longer.
            LeaseLostError: the lease is over.
            TypeError: the lease is not one of ``rwlock(...).upgradable()``, or ``timeout`` no duration.
            ValueError: ``timeout`` is no duration.
            LockError: another upgrade of this lease is under way.
            LockBackendError: MongoDB did not do as asked; it is an upgradable reader as before.
        """
        self._check_upgradable()
        await self._member.upgrades.upgrade(self._holding, check_timeout(timeout))

    async def downgrade(self) -> bool:
        """Be an upgradable reader again, and let readers in at once: those who wait, and those who come.

        One command; none, if the lease was not upgraded.

        Returns:
            True if the lease is still ours; False if it is over.

        Raises:
            TypeError: the lease is not one of ``rwlock(...).upgradable()``.
            LockError: an upgrade of this lease is under way.
            LockBackendError: MongoDB did not answer. Others may be kept out until ``downgrade`` is called
                again, or the lease is over.
        """
        self._check_upgradable()
        return await self._member.upgrades.downgrade(self._holding)

    async def proclaim(self, value: str) -> bool:
        """Of an election: tell all another value, from now on. One command, which renews nothing.

        A value that is held up on its way replaces no later one.

        Args:
            value: a str of at most 1 KiB in UTF-8, without NUL.

        Returns:
            True if the lease was still ours; False if it was over, and nothing has changed.

        Raises:
            TypeError: the lease is one of a semaphore or a reader-writer lock.
            TypeError, ValueError: ``value`` is wrong; nothing was sent.
            LockBackendError: MongoDB did not answer. The value may have been changed.
        """
        if not self._holding.request.mutex:
            raise TypeError("only the leader of an election has a value to proclaim")
        return await self._member.proclamations.proclaim(self._holding, check_value(value))

    async def export(self) -> str:
        """Give the lease to another process, which goes on with it by ``LockRepository.adopt``.

        It is renewed to its whole ttl first; it expires if nobody adopts it by then. Here it is over and not
        lost: not ``held``, not renewed, ``release`` says False, and a block around it goes on to its end and
        releases nothing. The text is ASCII without spaces. Whoever has it can adopt the lease.

        Raises:
            LeaseLostError: the lease is over, or was exported before.
            LockError: it is upgraded, or an upgrade may be under way: ``downgrade`` it first.
            LockBackendError: MongoDB did not answer; the lease is held as before.
        """
        await self._member.adoption.export(self._holding)
        return Exported(self.name, self._holding.id, self.fencing_token).text()

    def fenced(self, collection: Collection, field: str = "_fence") -> Fenced:
        """A collection for writes that a newer fencing token refuses with ``StaleTokenError``.

        The server decides, by the stamps in the documents. That this lease is over is no reason by itself:
        until a newer one has written there, its writes take effect.

        Args:
            collection: an async collection of PyMongo or Motor: what the lock protects.
            field: where a document keeps the newest token that has written it.

        Raises:
            TypeError: others may hold the lock beside this lease (a semaphore, a reader): then several tokens
                are valid at a time, and none of them refuses another.
            TypeError, ValueError: an argument is wrong.
        """
        if self._holding.shared:
            raise TypeError(
                f"a fence needs a lease that nobody shares, and {self.name!r} may have more holders"
            )
        return Fenced(collection, self.name, self.fencing_token, field, self)

    async def verify(self, session: object) -> None:
        """Bind a transaction to this lease: it commits only if the lease is still ours.

        Reads and touches the lock's document in the transaction, so that a take-over and the commit
        cannot both happen. Until the commit, every other write to that document waits, our own renewal
        too, which leaves this lease out meanwhile: make it the last thing before the commit.

        Args:
            session: a session of the same client as the locks', with a transaction under way. It needs a
                replica set.

        Raises:
            TypeError: it is no session.
            ValueError: no transaction is under way.
            LeaseLostError: the lease is over; abort the transaction.
            pymongo.errors.PyMongoError: the driver's own, where it carries a label: ``with_transaction``
                needs it to start the transaction again.
            LockBackendError: any other failure of MongoDB.
            LockError: the locks are in memory, which has no transactions.
        """
        await self._member.verification.verify(self._holding, session)

    def _check_upgradable(self) -> None:
        if not self._holding.request.upgradable:
            raise TypeError("only a lease of rwlock(...).upgradable() can be upgraded")
