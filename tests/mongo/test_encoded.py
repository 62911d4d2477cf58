"""Commands that are encoded once. No server is needed for that."""

from __future__ import annotations

import itertools
from typing import Any

import bson
import pytest

from mongolock_async._mongo.encoded import encoded
from mongolock_async._protocol.claim import claim_command, hand_over_command, release_command
from mongolock_async._protocol.expressions import grant_id
from mongolock_async._protocol.request import Request

IDS = "0123456789abcdef.1", "0123456789abcdef.12345", "fedcba9876543210.7"
OWNERS: list[Any] = ["", "me", "ü🔒", "$evil", -(2**63), IDS[0], "0" * 300]


def decoded(command: tuple[list[Any], Any]) -> Any:
    stages, answer = command
    return bson.decode(bson.encode({"stages": stages, "answer": answer}))


@pytest.mark.parametrize("owner", OWNERS)
def test_what_is_encoded_once_is_what_would_be_built_each_time(owner: Any) -> None:
    for ttl, (first, ear) in itertools.product([1.0, 30.0], [(None, None), (10.0, None), (10.0, IDS[2])]):
        request = Request("", owner, ttl)
        for ids in itertools.permutations(IDS, 2):
            lease, by = ids
            command = encoded(claim_command, ids, request, first, ear)
            assert decoded(command) == decoded(claim_command(lease, by, request, first, ear))


def test_a_hand_over_is_encoded_with_its_three_ids_and_the_grant() -> None:
    request = Request("", "me", 30.0)
    for lease, waiter, by in itertools.permutations(IDS):
        ids = lease, waiter, by, grant_id(lease, 1_795_000_000_000)
        command = encoded(hand_over_command, ids, request, 10.0, IDS[2])
        assert decoded(command) == decoded(hand_over_command(*ids, request, 10.0, IDS[2]))


def test_a_release_is_encoded_with_its_ids_and_the_grant() -> None:
    for lease, by in itertools.permutations(IDS, 2):
        ids = lease, by, grant_id(lease, 1_795_000_000_000)
        assert decoded(encoded(release_command, ids)) == decoded(release_command(*ids))


def test_ids_that_are_short_enough_to_stand_there_by_chance_are_built_each_time() -> None:
    request = Request("", "me", 30.0)
    assert encoded(claim_command, ("m.1", "c.1"), request, None, None) == claim_command(
        "m.1", "c.1", request, None, None
    )
