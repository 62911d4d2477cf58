"""One renewal loop for all leases and places of a member. It knows held, lost and unknown."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import Context
from typing import Any

from .background import report
from .clock import Clock, sleep, wait
from .recorder import Recorder
from .renewable import Renew, Renewable
from .reports import Renewals
from .retries import LIMITS, PERIODS, RETRIES, Retries

logger = logging.getLogger("mongolock_async")

IN_FLIGHT = 8
# Whatever has failed here that should not, the leases need another try.
AGAIN = 1.0
# Of the time for an answer, the backend has so much: what it says of an attempt comes before we give it up.
OWN_WORD = 0.9
# A lease that somebody else's command has granted is made whole after so many seconds, if it still stands.
FIRST = "first"
FIRST_RENEWAL = 0.2


Key = tuple[int, tuple[str, int]]


class KeepAlive:
    """Renews what was added until it is discarded, in batches, all of it at a time.

    Args:
        renew: for each kind, what renews a batch of it, within the time that it is given. If it raises, or is
            late, the outcome is unknown, and it is asked again soon.
        clock: the one by which ``Renewable.renewed`` is told when a renewal was sent.
        revived: called with a lease that was discarded while its renewal was under way, and that the
            server has renewed all the same.
    """

    def __init__(
        self, renew: Mapping[str, Renew], clock: Clock, revived: Callable[[Renewable], None]
    ) -> None:
        self.renewals = 0
        self.latency = Recorder()
        self._reports = Renewals(clock)
        self._renew = renew
        self._clock = clock
        self._revived = revived
        self._kept: dict[str, Renewable] = {}
        self._retries = Retries()
        self._due: dict[str, float] = {}
        self._flying: dict[Renewable, asyncio.Task[None]] = {}
        self._renewals: set[asyncio.Future[set[str]]] = set()
        self._slots: dict[tuple[str, int], asyncio.Semaphore] = {}
        self._sooner = asyncio.Event()
        self._next = math.inf
        self._task: asyncio.Task[None] | None = None

    def add(self, lease: Renewable) -> None:
        """Keep it alive from now on."""
        self._kept[lease.id] = lease
        pause = lease.life / PERIODS if lease.kind != FIRST else FIRST_RENEWAL
        self._put_off(lease, self._clock.now() + pause)
        if self._task is None or self._task.done():
            # An empty context: a deadline that the caller has set must not govern the loop.
            self._task = asyncio.get_running_loop().create_task(self._run(), context=Context())

    def discard(self, lease: Renewable) -> None:
        """Never renew it again. A lease that follows another under the same id is not meant."""
        if self._kept.get(lease.id, lease) is not lease:
            return
        self._kept.pop(lease.id, None)
        self._retries.forget(lease.id)
        self._due.pop(lease.id, None)
        self._reports.over(lease)

    def paced(self, lease: Renewable) -> None:
        """It was renewed just now, and has another life: its next renewal follows from that."""
        if self._kept.get(lease.id) is lease:
            self._put_off(lease, self._clock.now() + lease.life / PERIODS)

    async def settle(self, lease: Renewable) -> None:
        """Wait until no renewal of it is under way."""
        if task := self._flying.get(lease):
            await asyncio.wait([task])

    async def aclose(self) -> None:
        """Stop."""
        self._kept.clear()
        self._due.clear()
        self._reports.end()
        rounds: set[asyncio.Future[Any]] = {*self._flying.values(), *([self._task] if self._task else [])}
        for task in rounds:
            task.cancel()
        if tasks := rounds | self._renewals:
            await asyncio.wait(tasks)

    async def _run(self) -> None:
        try:
            while self._kept:
                try:
                    await self._turn()
                except Exception:
                    logger.exception("renewals failed, and are tried again in %g s", AGAIN)
                    await sleep(self._clock, AGAIN)
        except asyncio.CancelledError:  # if not by ``aclose``, with which nothing is kept any more
            self._reports.cancelled(self._kept.values())
            raise

    async def _turn(self) -> None:
        """Wait until something is due, and renew it."""
        self._sooner.clear()
        self._next = min(self._due.values())
        pause = self._next - self._clock.now()
        if pause > 0:
            await wait(self._clock, self._sooner, pause)
            return
        for (_, group), batch in self._batches():
            task = asyncio.create_task(self._round(batch, group))
            task.add_done_callback(report)
            self._flying.update(dict.fromkeys(batch.values(), task))

    def _put_off(self, lease: Renewable, due: float) -> None:
        """Have its next renewal then."""
        self._due[lease.id] = due
        if due < self._next:
            self._sooner.set()

    async def _round(self, batch: dict[str, Renewable], group: tuple[str, int]) -> None:
        """Renew a batch, once."""
        sent = self._clock.now()
        try:
            async with self._slots.setdefault(group, asyncio.Semaphore(IN_FLIGHT)):
                limit = min(lease.life for lease in batch.values()) / LIMITS
                sent = self._clock.now()
                held = await self._answer(list(batch.values()), group[0], limit)
        except Exception as error:  # noqa: BLE001 - whatever it was, the leases need another try
            self._again([lease for lease in batch.values() if self._kept.get(lease.id) is lease], sent, error)
            return
        finally:
            for lease in batch.values():
                del self._flying[lease]
        self.latency.add(self._clock.now() - sent)
        self.renewals += len(held)
        self._reports.renewed([lease for lease in batch.values() if lease.id in held])
        for lease in batch.values():
            self._retries.forget(lease.id)
            if lease.id not in self._kept:
                if lease.id in held:
                    self._revived(lease)
            elif lease.id in held:
                lease.renewed(sent)
            else:
                lease.gone()

    def _again(self, leases: Sequence[Renewable], sent: float, error: Exception) -> None:
        """Have those renewed again whose renewal, sent then, has failed."""
        if not leases:
            return
        self._reports.failed(leases, error)
        lives = {lease.id: lease.life for lease in leases}
        due = self._retries.failed(lives, sent, self._clock.now(), error)
        for lease in leases:
            self._put_off(lease, due)

    async def _answer(self, leases: Sequence[Renewable], kind: str, limit: float) -> set[str]:
        # Never cancelled: a cancelled command may leave the driver's pool locked for good.
        renewal = asyncio.ensure_future(self._renew[kind](leases, OWN_WORD * limit))
        self._renewals.add(renewal)
        renewal.add_done_callback(self._renewed)
        await asyncio.wait([renewal], timeout=limit)
        if not renewal.done():
            raise TimeoutError
        return renewal.result()

    def _renewed(self, renewal: asyncio.Future[set[str]]) -> None:
        self._renewals.discard(renewal)
        if not renewal.cancelled():
            renewal.exception()  # nobody else would ask, where it came too late

    def _batches(self) -> Iterator[tuple[Key, dict[str, Renewable]]]:
        """What is due, with all leases of about the same ttl, so that they stay together from then on.

        No name stands twice in a batch: the count of documents is the count of leases. Leases of very
        different ttl have a pace and batches of their own, since a batch has the time of its shortest.
        """
        now = self._clock.now()
        due = [lease for lease in self._kept.values() if self._due[lease.id] <= now]
        paced = {_group(lease) for lease in due if lease.id not in self._retries and not lease.alone}
        filling: dict[Key, list[dict[str, Renewable]]] = defaultdict(list)
        for lease in list(self._kept.values()):
            if lease in self._flying:
                if self._due[lease.id] <= now:
                    self._put_off(lease, now + lease.life / PERIODS)
                continue
            if self._due[lease.id] > now and _group(lease) not in paced:
                continue
            self._put_off(lease, now + lease.life / PERIODS)
            if lease.resting:
                self._put_off(lease, now + lease.life / RETRIES)
                continue
            size = 1 if lease.alone else self._retries.size(lease.id)
            key = size, _group(lease)
            batch = next((batch for batch in filling[key] if lease.name not in batch), None)
            if batch is None:
                filling[key].append(batch := {})
            batch[lease.name] = lease
            if len(batch) == size:
                filling[key].remove(batch)
                yield key, batch
        for key, batches in filling.items():
            for batch in batches:
                yield key, batch


def _group(lease: Renewable) -> tuple[str, int]:
    """Those of one kind whose lives differ by less than a factor of two."""
    return lease.kind, math.frexp(lease.life)[1]
