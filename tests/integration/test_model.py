"""The pipeline on a real server against the reference model, in random sequences."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from bson.codec_options import CodecOptions
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from model import EPOCH, Entry, Model, date
from pymongo import MongoClient

from mongolock_async import _protocol
from mongolock_async.testing import Mongod

START = 1_795_000_000_000
PERIOD = 5_000
LEASES = st.sampled_from([f"s.{number}" for number in range(8)])
TICK_LEASES = st.sampled_from([f"s.{number}" for number in range(10, 13)])
WEIGHTS = st.integers(1, 3)
CAPACITIES = st.sampled_from([1, 3, 3, 3])
TTLS = st.sampled_from([1, 700, 4_000, 30_000])


@pytest.fixture(scope="module")
def blocking(standalone: Mongod) -> Iterator[Any]:
    with MongoClient[dict[str, Any]](standalone.uri) as client:
        database = client[f"model_{uuid.uuid4().hex}"]
        yield database["locks"]
        client.drop_database(database)


def test_the_server_and_the_model_agree_after_every_step(blocking: Any) -> None:
    aware = blocking.with_options(codec_options=CodecOptions(tz_aware=True))

    class Comparison(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.name = uuid.uuid4().hex
            self.model = Model()
            self.now = START
            self.tokens: list[int] = []
            self.exists = False

        @rule(lease=LEASES, weight=WEIGHTS, ttl=TTLS, capacity=CAPACITIES, wait=st.booleans())
        def claim(self, lease: str, weight: int, ttl: int, capacity: int, wait: bool) -> None:  # noqa: FBT001 - drawn
            weight = min(weight, capacity)
            pipeline = _protocol.claim(
                lease,
                owner="$evil",
                ttl_ms=ttl,
                weight=weight,
                capacity=capacity,
                wait=wait,
                now=date(self.now),
            )
            self.change(pipeline)
            self.model.claim(self.now, lease, weight, ttl, capacity, wait=wait)

        @rule(lease=TICK_LEASES, ttl=TTLS, after=st.integers(-1, 1))
        def claim_tick(self, lease: str, ttl: int, after: int) -> None:
            after_ms = self.now - self.now % PERIOD + after * PERIOD
            pipeline = _protocol.claim_tick(
                lease, owner=7, ttl_ms=ttl, period_ms=PERIOD, after_ms=after_ms, now=date(self.now)
            )
            self.change(pipeline)
            self.model.claim_tick(self.now, lease, ttl, PERIOD, after_ms)

        @rule(lease=LEASES | TICK_LEASES, back=st.none() | LEASES)
        def release(self, lease: str, back: str | None) -> None:
            others = [] if back is None else [back]
            self.change(_protocol.release([lease], back=others, now=date(self.now)), upsert=False)
            self.model.release(self.now, lease, back)

        @rule(lease=LEASES | TICK_LEASES, asks=st.booleans())
        def renew(self, lease: str, asks: bool) -> None:  # noqa: FBT001 - drawn
            mine = lease if asks else None
            self.change(_protocol.renew([lease], mine=mine, now=date(self.now)), upsert=False)
            self.model.renew(self.now, lease, mine)

        @rule(step=st.sampled_from([1, 699, 700, 2_500, 10_000, 31_000]))
        def time_passes(self, step: int) -> None:
            self.now += step

        @precondition(lambda self: self.exists)
        @invariant()
        def server_and_model_agree(self) -> None:
            stored = aware.find_one({"_id": self.name})
            assert stored["capacity"] == self.model.capacity
            assert stored["token"] == self.model.token
            assert stored["granted"] == " ".join(self.model.granted)
            assert [entry(item) for item in stored["holders"]] == self.model.holders
            assert [entry(item) for item in stored["queue"]] == self.model.queue
            boundary = stored.get("boundary")
            assert (None if boundary is None else ms(boundary)) == self.model.boundary
            assert "served" not in stored

        @invariant()
        def the_weights_fit(self) -> None:
            assert sum(holder.weight for holder in self.model.holders) <= self.model.capacity

        @invariant()
        def tokens_only_grow(self) -> None:
            fresh = [holder.token for holder in self.model.holders if holder.token not in self.tokens]
            for token in fresh:
                assert token is not None
                assert token > max(self.tokens, default=0)
                self.tokens.append(token)

        def change(self, pipeline: list[dict[str, Any]], *, upsert: bool = True) -> None:
            aware.find_one_and_update({"_id": self.name}, pipeline, upsert=upsert)
            self.exists = self.exists or upsert

    run_state_machine_as_test(
        Comparison,
        settings=settings(
            max_examples=200,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def entry(item: dict[str, Any]) -> Entry:
    return Entry(
        item["lease"],
        item["weight"],
        item["ttl"],
        ms(item["since"]),
        ms(item["expires"]),
        item.get("token"),
    )


def ms(moment: datetime) -> int:
    return round((moment - EPOCH).total_seconds() * 1000)
