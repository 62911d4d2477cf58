"""One lock, on a real server and in memory, to which the same happens."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from bson.codec_options import CodecOptions
from pymongo import ReturnDocument

from mongolock_async._memory import answers
from mongolock_async._memory.document import Document, Entry
from mongolock_async._protocol import keeping, pipeline, projection
from mongolock_async._protocol.expressions import Expression, Stage, grant_id, is_lock, some
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

    @property
    def by(self) -> str:
        """Of the last command: two after each other have the same, as if the second repeated the first."""
        return f"c.{self.commands // 2}"

    def claim(self, lease: str, owner: Owner, ttl: int, **asked: int | None) -> None:
        sizes, by = self.sizes(**asked), self.next()
        stages = pipeline.claim(lease, owner=owner, ttl_ms=ttl, by=by, now=date(self.now), **sizes)
        told = self.change(stages, self.reply(lease), upsert=True)
        self.document.claim(self.now, lease, owner=owner, ttl=ttl, by=by, **sizes)
        self.is_answered(told, lease)

    def queue_up(self, lease: str, owner: Owner, ttl: int, ear: str | None, **asked: int | None) -> None:
        sizes, by, first = self.sizes(**asked), self.next(), min(ttl, FIRST)
        told = self.change(
            pipeline.queue_up(
                lease, owner=owner, ttl_ms=ttl, first_ms=first, ear=ear, by=by, now=date(self.now), **sizes
            ),
            self.reply(lease),
            upsert=True,
        )
        self.document.queue_up(self.now, lease, owner=owner, ttl=ttl, first=first, ear=ear, by=by, **sizes)
        self.is_answered(told, lease)

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
        now, by = self.now, self.next()
        due = now - now % PERIOD + periods * PERIOD + late
        tick = TickRequest(due, due + lasts, kept, period)
        stages = pipeline.claim_tick(lease, owner=owner, ttl_ms=ttl, tick=tick, by=by, now=date(now))
        told = self.change(stages, projection.reply_tick(lease, by=by, now=date(now)), upsert=True)
        self.document.claim_tick(now, lease, owner=owner, ttl=ttl, tick=tick, by=by)
        self.is_answered(told, lease)
        assert told["tick"] == answers.tick(self.document, now)

    def release(self, who: int, places: Sequence[int], wrong: int | None, *, serves: bool) -> None:
        lease, back, by = self.one(who), self.waiting(places), self.next()
        waiter = back[0] if back and serves else None
        token = None if wrong is None else self.token(lease) + wrong
        grant = None if token is None else grant_id(lease, token)
        stages = pipeline.release([lease], by=by, grant=grant, back=back, now=date(self.now))
        answer = projection.release(lease, by=by, waiter=waiter, now=date(self.now))
        told = self.change(stages, answer)
        if self.exists:
            self.document.release(self.now, lease, by=by, token=token, back=back)
            assert told["released"] == (self.document.released == lease)
            self.is_answered(told, waiter)

    def hand_over(
        self, who: int, wrong: int, lease: str, owner: Owner, ttl: int, ear: str | None, **asked: int | None
    ) -> None:
        giver, sizes, by, first = self.one(who), self.sizes(**asked), self.next(), min(ttl, FIRST)
        token = self.token(giver) + wrong
        times = {"ttl_ms": ttl, "first_ms": first}
        stages = pipeline.hand_over(
            giver,
            lease,
            grant=grant_id(giver, token),
            owner=owner,
            ear=ear,
            by=by,
            now=date(self.now),
            **times,
            **sizes,
        )
        told = self.change(stages, projection.release(giver, by=by, waiter=lease, now=date(self.now)))
        if self.exists:
            self.document.hand_over(
                self.now,
                giver,
                lease,
                token=token,
                owner=owner,
                ttl=ttl,
                first=first,
                ear=ear,
                by=by,
                **sizes,
            )
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

    def ask(self, who: int) -> None:
        lease, by = self.one(who), self.next()
        told = self.change(pipeline.ask(lease, by=by, now=date(self.now)), self.reply(lease))
        if self.exists:
            self.document.ask(self.now, lease, by=by)
            self.is_answered(told, lease)

    def prolong(self, who: int, wrong: int, ttl: int | None, number: int) -> None:
        """With a ttl, by a change of this number."""
        lease = self.one(who)
        token = self.token(lease) + wrong
        change = None if ttl is None else TtlChange(number, ttl / 1000)
        stages = keeping.prolong(lease, token, change, now=date(self.now))
        told = self.change(stages, projection.renewal(lease, token, now=date(self.now)))
        if self.exists:
            self.document.prolong(self.now, lease, token, ttl=ttl, number=number)
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
            for token in (self.token(lease), self.token(lease) + 1):
                held = self.document.holds(self.now, lease, token)
                assert self.found(projection.was_held(lease, token, now=now)) == {"held": held}

    def check(self) -> None:
        """The same is stored, and the rules hold."""
        assert self.found(None) == (self.as_stored() if self.exists else None)
        holders = self.document.holders
        assert sum(holder.weight for holder in holders) <= self.document.capacity
        tokens = [holder.token or 0 for holder in holders]
        assert tokens == sorted(set(tokens))
        assert max(tokens, default=0) <= self.document.token
        assert self.newest <= self.document.token
        self.newest = self.document.token
        lives = {(one.lease, one.token): one.expires for one in holders + self.document.queue}
        assert all(lives[one] >= self.lives[one] for one in lives.keys() & self.lives.keys())
        self.lives = lives

    def next(self) -> str:
        self.commands += 1
        return self.by

    def one(self, number: int) -> str:
        there = [entry.lease for entry in self.document.holders + self.document.queue]
        return [*there, "s.0"][number % (len(there) + 1)]

    def token(self, lease: str) -> int:
        return next((one.token or 0 for one in self.document.holders if one.lease == lease), 0)

    def waiting(self, numbers: Sequence[int]) -> list[str]:
        queue = [place.lease for place in self.document.queue]
        return list(dict.fromkeys(queue[number % len(queue)] for number in numbers)) if queue else []

    def sizes(self, weight: int | None, capacity: int | None) -> dict[str, int]:
        capacity = capacity or self.document.capacity
        return {"weight": min(weight or 1, capacity), "capacity": capacity}

    def reply(self, lease: str) -> Stage:
        return projection.reply(lease, by=self.by, now=date(self.now))

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
        return {
            "_id": self.name,
            "capacity": document.capacity,
            "token": document.token,
            "holders": [stored(entry) for entry in document.holders],
            "queue": [stored(entry) for entry in document.queue],
            "expires_at": date(document.expires_at),
            **boundary,
            **released,
        }


def stored(entry: Entry) -> dict[str, Any]:
    """What is None in memory is not there on the server."""
    told = {name: value for name, value in asdict(entry).items() if value is not None}
    return told | {"since": date(entry.since), "expires": date(entry.expires)}


def date(milliseconds: int) -> datetime:
    return EPOCH + timedelta(milliseconds=milliseconds)
