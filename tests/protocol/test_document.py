"""The pipeline and its answers, on a real server, against the document in memory, in random sequences."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson.codec_options import CodecOptions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import ReturnDocument

from mongolock_async._memory import answers
from mongolock_async._memory.document import Document, Entry
from mongolock_async._protocol import pipeline, projection
from mongolock_async._protocol.expressions import Stage
from mongolock_async._protocol.reply import Answer, Reply

# To make a sequence that fails a short one may take minutes.
pytestmark = pytest.mark.timeout(400)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START = 1_795_000_000_000
PERIOD = 5_000

LEASES = st.sampled_from([f"s.{number}" for number in range(8)])
TICK_LEASES = st.sampled_from(["s.10", "s.11"])
OWNERS = st.sampled_from(["$evil", "", "ü🔒", 7, -(2**63), 2**63 - 1])
TTLS = st.sampled_from([1, 700, 4_000, 30_000, 30_000, 30_000])
# By number: one who holds the lock, or waits for it, or one who waits, or does neither.
WHO = st.integers(0, 20)
SEVERAL = st.lists(WHO, min_size=1, max_size=3)


class Lock:
    """One lock, on the server and in memory, to which the same happens."""

    def __init__(self, collection: Any) -> None:
        self.collection = collection.with_options(codec_options=CodecOptions(tz_aware=True))
        self.name = uuid.uuid4().hex
        self.document = Document()
        self.exists = False
        self.now = START
        self.newest = 0

    def claim(self, lease: str, ttl: int, *, weight: int, capacity: int | None, **asked: Any) -> None:
        capacity = capacity or self.document.capacity
        sizes: dict[str, Any] = {"weight": min(weight, capacity), "capacity": capacity}
        stages = pipeline.claim(lease, ttl_ms=ttl, now=date(self.now), **sizes, **asked)
        told = self.change(stages, projection.reply(lease, now=date(self.now)), upsert=True)
        self.document.claim(self.now, lease, ttl=ttl, **sizes, **asked)
        self.is_answered(told, lease)

    def claim_tick(self, lease: str, owner: str | int, ttl: int, after: int) -> None:
        after_ms = self.now - self.now % PERIOD + after * PERIOD
        stages = pipeline.claim_tick(
            lease, owner=owner, ttl_ms=ttl, period_ms=PERIOD, after_ms=after_ms, now=date(self.now)
        )
        answer = projection.reply_tick(lease, period_ms=PERIOD, now=date(self.now))
        told = self.change(stages, answer, upsert=True)
        self.document.claim_tick(self.now, lease, owner=owner, ttl=ttl, period=PERIOD, after=after_ms)
        is_same(told, answers.tick_answer(self.document, lease, PERIOD, self.now))

    def release(self, who: int, places: Sequence[int]) -> None:
        lease, back = self.one(who), self.waiting(places)
        held = answers.was_held(self.document, self.now, lease)
        stages = pipeline.release([lease], back=back, now=date(self.now))
        before = self.change(stages, projection.was_held(lease, now=date(self.now)), after=False)
        if self.exists:
            assert before == {"held": held}
            self.document.release(self.now, lease, back)

    def release_all(self) -> None:
        held = answers.was_held(self.document, self.now)
        stages = pipeline.release_all(now=date(self.now))
        before = self.change(stages, projection.was_held(now=date(self.now)), after=False)
        if self.exists:
            assert before == {"held": held}
            self.document.release_all(self.now)

    def withdraw(self, who: int) -> None:
        lease = self.one(who)
        wanted = answers.answer(self.document, lease, self.now)
        stages = pipeline.release([lease], now=date(self.now))
        before = self.change(stages, projection.reply(lease, now=date(self.now)), after=False)
        if self.exists:
            is_same(before, wanted)
            self.document.release(self.now, lease)

    def ask(self, who: int) -> None:
        lease = self.one(who)
        stages = pipeline.renew([lease], mine=lease, now=date(self.now))
        told = self.change(stages, projection.reply(lease, now=date(self.now)))
        if self.exists:
            self.document.renew(self.now, lease, mine=lease)
            self.is_answered(told, lease)

    def renew(self, several: Sequence[int]) -> None:
        leases = list(dict.fromkeys(map(self.one, several)))
        self.change(pipeline.renew(leases, now=date(self.now)), {})
        if self.exists:
            for lease in leases:
                self.document.renew(self.now, lease)

    def touch(self) -> None:
        self.change(pipeline.touch(now=date(self.now)), {}, upsert=True)
        self.document.touch(self.now)

    def time_passes(self, ms: int, who: int) -> None:
        """What expires meanwhile is there until somebody changes something, and is looked at."""
        self.now += ms
        lease = self.one(who)
        if self.exists:
            self.is_answered(self.found(projection.reply(lease, now=date(self.now))), lease)
            view = self.found(projection.view(now=date(self.now)))
            assert view == {"_id": self.name, "info": answers.view(self.document, self.now)}

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

    def one(self, number: int) -> str:
        there = [entry.lease for entry in self.document.holders + self.document.queue]
        return [*there, "s.0"][number % (len(there) + 1)]

    def waiting(self, numbers: Sequence[int]) -> list[str]:
        queue = [place.lease for place in self.document.queue]
        return list(dict.fromkeys(queue[number % len(queue)] for number in numbers)) if queue else []

    def change(
        self, stages: Sequence[Stage], answer: Stage, *, upsert: bool = False, after: bool = True
    ) -> Any:
        """The server's answer, of the document before or after it."""
        self.exists = self.exists or upsert
        told = self.collection.find_one_and_update(
            {"_id": self.name},
            stages,
            projection=answer,
            upsert=upsert,
            return_document=ReturnDocument.AFTER if after else ReturnDocument.BEFORE,
        )
        assert (told is None) == (not self.exists)
        return told

    def found(self, answer: Stage | None) -> Any:
        return self.collection.find_one({"_id": self.name}, answer)

    def is_answered(self, told: Mapping[str, Any], lease: str) -> None:
        is_same(told, answers.answer(self.document, lease, self.now))

    def as_stored(self) -> dict[str, Any]:
        document = self.document
        assert document.expires_at is not None
        boundary = {} if document.boundary is None else {"boundary": date(document.boundary)}
        return {
            "_id": self.name,
            "capacity": document.capacity,
            "token": document.token,
            "holders": [stored(entry) for entry in document.holders],
            "queue": [stored(entry) for entry in document.queue],
            "granted": " ".join(document.granted),
            "expires_at": date(document.expires_at),
            **boundary,
        }


def is_same(told: Mapping[str, Any], wanted: Answer) -> None:
    """The server leaves a null where memory leaves nothing: what is read of it is the same."""
    answer: Answer = told["reply"]
    assert Reply(answer).grant == Reply(wanted).grant
    assert {**answer, "mine": {}} == {**wanted, "mine": {}}


def stored(entry: Entry) -> dict[str, Any]:
    token = {} if entry.token is None else {"token": entry.token}
    return {
        "lease": entry.lease,
        "owner": entry.owner,
        "weight": entry.weight,
        "ttl": entry.ttl,
        "since": date(entry.since),
        "expires": date(entry.expires),
        **token,
    }


def date(milliseconds: int) -> datetime:
    return EPOCH + timedelta(milliseconds=milliseconds)


def step(name: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.just(name), st.fixed_dictionaries(arguments))


CLAIM = step(
    "claim",
    lease=LEASES,
    owner=OWNERS,
    ttl=TTLS,
    weight=st.integers(1, 3),
    capacity=st.sampled_from([None, None, None, 1, 3, 3]),
    wait=st.sampled_from([True, True, True, False]),
)
TICK = step("claim_tick", lease=TICK_LEASES, owner=OWNERS, ttl=TTLS, after=st.integers(-1, 1))
TIME = step(
    "time_passes", ms=st.sampled_from([1, 699, 700, 700, 2_500, 2_500, 5_000, 10_000, 31_000]), who=WHO
)
KINDS = [
    *[CLAIM] * 6,
    *[TICK] * 2,
    *[TIME] * 2,
    *[step("release", who=WHO, places=st.just([]) | SEVERAL)] * 2,
    step("withdraw", who=WHO),
    step("ask", who=WHO),
    step("renew", several=SEVERAL),
    st.sampled_from([("touch", {}), ("release_all", {})]),
]
STEPS = st.lists(st.sampled_from(KINDS).flatmap(lambda kind: kind), min_size=30, max_size=50)


def agree(collection: Any, examples: int) -> None:
    unchecked = list(HealthCheck)

    @settings(max_examples=examples, deadline=None, suppress_health_check=unchecked)
    @given(STEPS)
    def follow(steps: list[tuple[str, dict[str, Any]]]) -> None:
        lock = Lock(collection)
        for name, arguments in steps:
            getattr(lock, name)(**arguments)
            lock.check()

    follow()


def test_the_server_and_the_document_in_memory_agree_after_every_step(plain: Any) -> None:
    agree(plain, 100)


@pytest.mark.long
def test_the_server_and_the_document_in_memory_agree_in_200_sequences(plain: Any) -> None:
    agree(plain, 200)
