"""One lock, on a real server and in memory, to which the same happens."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from bson.codec_options import CodecOptions
from pymongo import ReturnDocument

from mongolock_async._memory import adoption as adopting
from mongolock_async._memory import answers
from mongolock_async._memory import once as doing
from mongolock_async._memory import sharing as shared
from mongolock_async._memory.document import Document
from mongolock_async._memory.entry import Entry
from mongolock_async._protocol import adoption, keeping, once, pipeline, projection, sharing
from mongolock_async._protocol.expressions import Expression, Stage, grant_id, is_lock, some
from mongolock_async._protocol.kind import (
    MUTEX,
    READER,
    UPGRADABLE,
    WRITER,
    Kind,
    Release,
    Size,
    base_of,
    upgrade_id,
)
from mongolock_async._protocol.request import TickRequest, TtlChange
from mongolock_async._settings import Owner

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START = 1_795_000_000_000
PERIOD = 5_000
FIRST = 2_000


class Lock:
    """What is done to it, and what must be true after that.

    Args:
        collection: of PyMongo's blocking client.
    """

    def __init__(self, collection: Any) -> None:
        self.collection = collection.with_options(codec_options=CodecOptions(tz_aware=True))
        self.name = uuid.uuid4().hex
        self.document = Document()
        self.exists = False
        self.now = START
        self.newest = 0
        self.lives: dict[tuple[str, int | None], int] = {}
        self.commands = 0
        self.weight = 0

    @property
    def by(self) -> str:
        """Of the last command: two after each other have the same, as if the second repeated the first."""
        return f"c.{self.commands // 2}"

    def claim(
        self,
        lease: str,
        owner: Owner,
        ttl: int,
        at_least: int | None = None,
        value: str | None = None,
        **asked: Any,
    ) -> None:
        size, now = self.size(**asked), date(self.now)
        options: dict[str, Any] = {"owner": owner, "by": self.next(), "size": size, "value": value}
        stages = pipeline.claim(lease, ttl_ms=ttl, at_least_ms=at_least, now=now, **options)
        told = self.change(stages, self.reply(lease, mutex=size.mutex), upsert=True)
        self.document.claim(self.now, lease, ttl=ttl, at_least=at_least, **options)
        self.is_answered(told, lease)

    def queue_up(
        self,
        lease: str,
        owner: Owner,
        ttl: int,
        ear: str | None,
        at_least: int | None = None,
        value: str | None = None,
        **asked: Any,
    ) -> None:
        size, by, now = self.size(**asked), self.next(), date(self.now)
        options: dict[str, Any] = {"owner": owner, "ear": ear, "by": by, "size": size, "value": value}
        times: Any = {"ttl_ms": ttl, "first_ms": min(ttl, FIRST), "at_least_ms": at_least}
        stages = pipeline.queue_up(lease, now=now, **times, **options)
        told = self.change(stages, self.reply(lease, mutex=size.mutex), upsert=True)
        lives: Any = {name.removesuffix("_ms"): time for name, time in times.items()}
        self.document.queue_up(self.now, lease, **lives, **options)
        self.is_answered(told, lease)

    def upgrade(self, who: int, number: int, ttl: int, ear: str | None, *, stays: bool) -> None:
        lease, by = upgrade_id(self.base(who), number), self.next()
        first = FIRST if stays else None
        options: dict[str, Any] = {"owner": 7, "ear": ear if stays else None, "by": by}
        stages = sharing.upgrade(lease, ttl_ms=ttl, first_ms=first, now=date(self.now), **options)
        told = self.change(stages, self.reply(lease))
        if self.exists:
            shared.upgrade(self.document, self.now, lease, ttl=ttl, first=first, **options)
            self.is_answered(told, lease)

    def downgrade(self, who: int, number: int) -> None:
        lease, by = self.one(who), self.next()
        lease = lease if base_of(lease) else upgrade_id(lease, number)
        told = self.change(sharing.downgrade(lease, by=by, now=date(self.now)), self.reply(lease))
        if self.exists:
            shared.downgrade(self.document, self.now, lease, by=by)
            self.is_answered(told, lease)

    def resize(self, capacity: int) -> None:
        by = self.next()
        stages = sharing.resize(capacity, by=by, now=date(self.now))
        told = self.change(stages, projection.resized(by=by), upsert=True)
        shared.resize(self.document, self.now, capacity, by=by)
        assert told["reply"] == answers.resized(self.document, by)

    def claim_tick(
        self,
        lease: str,
        owner: Owner,
        ttl: int,
        periods: int,
        late: int,
        lasts: int,
        kept: int,
        period: int | None,
    ) -> None:
        """The boundary so many periods from the current one, ``late`` by some ms, until it has lasted."""
        # A claim of a tick never has the id of a command that may have upgraded.
        now, by = self.now, self.next(repeats=not self.upgraded)
        due = now - now % PERIOD + periods * PERIOD + late
        tick = TickRequest(due, due + lasts, kept, period)
        stages = pipeline.claim_tick(lease, owner=owner, ttl_ms=ttl, tick=tick, by=by, now=date(now))
        told = self.change(stages, projection.reply_tick(lease, by=by, now=date(now)), upsert=True)
        self.document.claim_tick(now, lease, owner=owner, ttl=ttl, tick=tick, by=by)
        self.is_answered(told, lease)
        assert told["tick"] == answers.tick(self.document, now)

    def release(
        self,
        who: int,
        places: Sequence[int],
        wrong: int | None,
        *,
        serves: bool,
        mutex: bool = False,
        keeps: bool = False,
    ) -> None:
        lease, back, by = self.one(who), self.waiting(places), self.next()
        waiter = back[0] if back and serves else None
        token = None if wrong is None else self.token(lease) + wrong
        grant = None if token is None else grant_id(lease, token)
        how = Release(mutex, keeps)
        stages = pipeline.release([lease], by=by, grant=grant, back=back, how=how, now=date(self.now))
        lean = mutex and not self.upgraded
        answer = projection.release(lease, by=by, waiter=waiter, mutex=lean, now=date(self.now))
        told = self.change(stages, answer)
        if self.exists:
            self.document.release(self.now, lease, by=by, token=token, back=back, mutex=mutex, keeps=keeps)
            assert told["released"] == (self.document.released == lease)
            self.is_answered(told, waiter)

    def hand_over(
        self,
        who: int,
        wrong: int,
        lease: str,
        owner: Owner,
        ttl: int,
        ear: str | None,
        at_least: int | None,
        value: str | None = None,
    ) -> None:
        giver, by, lean = self.one(who), self.next(), not self.upgraded
        token = self.token(giver) + wrong
        options: dict[str, Any] = {"owner": owner, "ear": ear, "by": by, "value": value}
        times: Any = {"ttl_ms": ttl, "first_ms": min(ttl, FIRST), "at_least_ms": at_least}
        grant = grant_id(giver, token)
        stages = pipeline.hand_over(giver, lease, grant=grant, now=date(self.now), **times, **options)
        answer = projection.release(giver, by=by, waiter=lease, mutex=lean, now=date(self.now))
        told = self.change(stages, answer)
        if self.exists:
            lives: Any = {name.removesuffix("_ms"): time for name, time in times.items()}
            self.document.hand_over(self.now, giver, lease, token=token, **lives, **options)
            assert told["released"] == (self.document.released == giver)
            self.is_answered(told, lease)

    def force(self, who: int | None, wrong: int) -> None:
        """None: everybody."""
        token = None if who is None else self.token(self.one(who)) + wrong
        by = self.next()
        stages = pipeline.force(by=by, token=token, now=date(self.now))
        told = self.change(stages, projection.release(by, by=by, now=date(self.now)))
        if self.exists:
            self.document.force(self.now, by=by, token=token)
            assert told["released"] == (self.document.released == by)
            self.is_answered(told, None)

    def withdraw(self, who: int) -> None:
        lease, by = self.one(who), self.next()
        told = self.change(pipeline.release([lease], by=by, now=date(self.now)), self.reply(lease))
        if self.exists:
            self.document.release(self.now, lease, by=by)
            self.is_answered(told, lease)

    def ask(self, who: int, *, mutex: bool = False, keeps: bool = False) -> None:
        lease, by = self.one(who), self.next()
        stages = pipeline.ask(lease, by=by, mutex=mutex, keeps=keeps, now=date(self.now))
        told = self.change(stages, self.reply(lease, mutex=mutex))
        if self.exists:
            self.document.ask(self.now, lease, by=by, mutex=mutex, keeps=keeps)
            self.is_answered(told, lease)

    def prolong(self, who: int, wrong: int, ttl: int | None, number: int) -> None:
        """With a ttl, by a change of this number."""
        lease = self.base(who)
        token = self.token(lease) + wrong
        change = None if ttl is None else TtlChange(number, ttl / 1000)
        stages = keeping.prolong(lease, token, change, now=date(self.now))
        told = self.change(stages, projection.renewal(lease, token, now=date(self.now)))
        if self.exists:
            self.document.prolong(self.now, lease, token, ttl=ttl, number=number)
            assert told["reply"] == answers.renewal(self.document, lease, token, self.now)

    def proclaim(self, who: int, wrong: int, value: str, number: int) -> None:
        lease = self.base(who)
        token = self.token(lease) + wrong
        stages = keeping.proclaim(lease, token, value, number, now=date(self.now))
        told = self.change(stages, projection.renewal(lease, token, now=date(self.now)))
        if self.exists:
            self.document.proclaim(self.now, lease, token, value, number)
            assert told["reply"] == answers.renewal(self.document, lease, token, self.now)

    def renew(self, several: Sequence[int], wrong: int) -> None:
        """As a batch does it: where nothing stands, nothing is touched."""
        leases = {lease: self.token(lease) + wrong for lease in map(self.one, several)}
        stand = keeping.held(leases, date(self.now))
        found = self.batch(keeping.renew(leases, now=date(self.now)), "$holders", stand)
        assert found == any(self.document.holds(self.now, *lease) for lease in leases.items())
        for lease in leases.items() if found else ():
            self.document.renew(self.now, *lease)

    def refresh(self, several: Sequence[int]) -> None:
        places = list(dict.fromkeys(map(self.one, several)))
        stand = keeping.queued(places, date(self.now))
        found = self.batch(keeping.refresh(places, now=date(self.now)), "$queue", stand)
        assert found == any(self.document.queues(self.now, place) for place in places)
        for place in places if found else ():
            self.document.refresh(self.now, place)

    def finish(self, who: int, wrong: int) -> None:
        lease, by = self.base(who), self.next()
        token = self.token(lease) + wrong
        stages = once.finish(lease, token, by=by, now=date(self.now))
        told = self.change(stages, once.finished(lease, by=by))
        if self.exists:
            doing.finish(self.document, self.now, lease, token, by=by)
            ours, called = doing.finished(self.document, lease, by)
            assert told == {"released": ours, "reply": {"granted": called}}

    def reset(self) -> None:
        by = self.next()
        told = self.change(once.reset(by=by, now=date(self.now)), projection.release(by, by=by, mutex=True))
        if self.exists:
            doing.reset(self.document, self.now, by=by)
            assert told["released"] == (self.document.released == by)

    def adopt(self, who: int, wrong: int, new: str) -> None:
        lease = self.base(who)
        token = self.token(lease) + wrong
        stages = adoption.adopt(lease, token, new, now=date(self.now))
        told = self.change(stages, adoption.adopted(new, token, now=date(self.now)))
        if self.exists:
            adopting.adopt(self.document, self.now, lease, token, new)
            assert told["reply"] == adopting.adopted(self.document, self.now, new, token)

    def touch(self) -> None:
        by = self.next()
        told = self.change(pipeline.touch(by=by, now=date(self.now)), self.reply(""), upsert=True)
        self.document.touch(self.now, by=by)
        self.is_answered(told, "")

    def time_passes(self, ms: int, who: int) -> None:
        """What expires meanwhile is there until somebody changes something, and is looked at."""
        self.now += ms
        lease, now = self.one(who), date(self.now)
        if self.exists:
            self.is_answered(self.found(self.reply(lease)), lease)
            look = self.found(projection.look(lease, now=now))
            assert look["reply"] == answers.look(self.document, lease, self.now)
            view = self.found(projection.view(now=now))
            assert view == {"_id": self.name, "info": answers.view(self.document, self.now)}
            base = self.base(who)
            for token in (self.token(base), self.token(base) + 1):
                held = self.document.holds(self.now, base, token)
                assert self.found(projection.was_held(base, token, now=now)) == {"held": held}

    def check(self) -> None:
        """The same is stored, and the rules hold."""
        assert self.found(None) == (self.as_stored() if self.exists else None)
        holders = self.document.holders
        # A semaphore that was made smaller drains.
        weight = sum(holder.weight for holder in holders)
        assert weight <= max(self.document.capacity, self.weight)
        self.weight = weight
        tokens = [holder.token or 0 for holder in holders]
        assert tokens == sorted(set(tokens))
        assert max(tokens, default=0) <= self.document.token
        assert self.newest <= self.document.token
        self.newest = self.document.token
        lives = {(one.lease, one.token): one.expires for one in holders + self.document.queue}
        assert all(lives[one] >= self.lives[one] for one in lives.keys() & self.lives.keys())
        self.lives = lives

    def next(self, *, repeats: bool = True) -> str:
        """The id of the next command; with ``repeats``, it may be that of the last one."""
        self.commands += 1 if repeats else 2
        return self.by

    def one(self, number: int) -> str:
        there = [entry.lease for entry in self.document.holders + self.document.queue if entry.lease]
        there += [entry.upgrade for entry in self.document.holders if entry.upgrade]
        return [*there, "s.0"][number % (len(there) + 1)]

    def base(self, number: int) -> str:
        lease = self.one(number)
        return base_of(lease) or lease

    @property
    def upgraded(self) -> bool:
        return any(holder.upgrade for holder in self.document.holders)

    def token(self, lease: str) -> int:
        return next((one.token or 0 for one in self.document.holders if one.lease == lease), 0)

    def waiting(self, numbers: Sequence[int]) -> list[str]:
        queue = [place.lease for place in self.document.queue]
        return list(dict.fromkeys(queue[number % len(queue)] for number in numbers)) if queue else []

    def size(self, weight: int, capacity: int | None, kind: Kind | None = None) -> Size:
        """``kind`` or ``capacity`` None: those that the lock has. Capacity 0: whatever is stored."""
        kind = kind or self.document.kind or "mutex"
        if kind == "mutex":
            return MUTEX
        if kind in {"once", "done"}:
            return Size("once")
        if kind == "rwlock":
            return Size(kind, [READER, UPGRADABLE, WRITER][weight - 1], WRITER)
        if capacity == 0:
            return Size(kind, weight, None)
        capacity = capacity or min(self.document.capacity, 9)
        return Size(kind, min(weight, capacity), capacity)

    def reply(self, lease: str, *, mutex: bool = False) -> Stage:
        # Nobody repeats, as the claim of a mutex, a command that has upgraded.
        mutex = mutex and not self.upgraded
        return projection.reply(lease, by=self.by, mutex=mutex, now=date(self.now))

    def change(self, stages: Sequence[Stage], answer: Stage, *, upsert: bool = False) -> Any:
        self.exists = self.exists or upsert
        after, which = ReturnDocument.AFTER, {"_id": self.name}
        told = self.collection.find_one_and_update(
            which, stages, projection=answer, upsert=upsert, return_document=after
        )
        assert (told is None) == (not self.exists)
        return told

    def batch(self, stages: Sequence[Stage], array: str, stand: Expression) -> bool:
        those = {"_id": self.name, "$expr": {"$and": [is_lock(), some(array, stand)]}}
        return bool(self.collection.update_one(those, stages).matched_count)

    def found(self, answer: Stage | None) -> Any:
        return self.collection.find_one({"_id": self.name}, answer)

    def is_answered(self, told: Mapping[str, Any], lease: str | None) -> None:
        """None: only whom the command has granted is told."""
        if lease is None:
            assert told["reply"] == {"granted": answers.granted(self.document, self.by)}
        else:
            assert told["reply"] == answers.reply(self.document, lease, self.now, by=self.by)

    def as_stored(self) -> dict[str, Any]:
        document = self.document
        assert document.expires_at is not None
        boundary = {} if document.boundary is None else {"boundary": date(document.boundary)}
        released = {} if document.released is None else {"released": document.released}
        kind = {} if document.kind is None else {"kind": document.kind}
        out = {} if document.out is None else {"out": document.out}
        return {
            "_id": self.name,
            "capacity": document.capacity,
            "token": document.token,
            "holders": [stored(entry) for entry in document.holders],
            "queue": [stored(entry) for entry in document.queue],
            "expires_at": date(document.expires_at),
            **boundary,
            **released,
            **kind,
            **out,
        }


def stored(entry: Entry) -> dict[str, Any]:
    """What is None in memory is not there on the server."""
    told = {name: value for name, value in asdict(entry).items() if value is not None}
    if not entry.lease:
        del told["lease"]
    until = {} if entry.keep_until is None else {"keep_until": date(entry.keep_until)}
    return told | {"owner": entry.owner, "since": date(entry.since), "expires": date(entry.expires)} | until


def date(milliseconds: int) -> datetime:
    return EPOCH + timedelta(milliseconds=milliseconds)
