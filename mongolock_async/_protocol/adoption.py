"""A lease that goes on under another id. As ``keeping``: it grants nothing, and what has expired stays so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NotRequired, TypedDict

from mongolock_async._settings import Owner

from .expressions import NOW, Expression, Stage, each, fields, is_held, keep
from .keeping import held, latest
from .kind import Kind
from .projection import grant_of
from .reply import Grant, Mine
from .request import Request


class Asked(TypedDict):
    """What the holder has asked for."""

    owner: Owner
    weight: int
    ttl: int
    at_least: NotRequired[int]


class Answer(TypedDict):
    """What the lease is, under its new id."""

    mine: Mine
    asked: Asked
    kind: Kind
    capacity: int


@dataclass(frozen=True, slots=True)
class Adopted:
    """A lease that has been adopted."""

    answer: Answer

    @property
    def grant(self) -> Grant:
        """Its token and its life."""
        return Grant.of(self.answer["mine"])

    def request(self, name: str, *, keep_alive: bool) -> Request:
        """By which it could have been claimed."""
        asked, at_least = self.answer["asked"], self.answer["asked"].get("at_least")
        return Request(
            name=name,
            owner=asked["owner"],
            ttl=asked["ttl"] / 1000,
            keep_alive=keep_alive,
            weight=asked["weight"],
            capacity=self.answer["capacity"],
            kind=self.answer["kind"],
            at_least=None if at_least is None else at_least / 1000,
        )


def adopt(lease: str, token: int, new: str, *, now: Expression = NOW) -> list[Stage]:
    """Give this lease, known by id and token, a new id, and its whole ttl."""
    # The changes of its ttl and of its value are counted anew.
    life = {"expires": {"$max": ["$$e.expires", {"$add": [now, "$$e.ttl"]}]}}
    renamed = {"$mergeObjects": ["$$e", {"lease": new, "change": 0, "said": 0}, life]}
    holders = each("$holders", {"$cond": [held({lease: token}, now), renamed, "$$e"]})
    return [{"$set": {"holders": holders}}, {"$set": {"expires_at": latest("$holders")}}]


def adopted(new: str, token: int, *, now: Expression = NOW) -> Stage:
    """What the lease is under its new id, if it is live."""
    asked = fields(("owner", "weight", "ttl", "at_least"))
    found = {"mine": grant_of(now), "asked": asked, "kind": "$kind", "capacity": "$capacity"}
    e = {"e": {"$first": keep("$holders", is_held(new, token, now))}}
    return {"_id": 0, "reply": {"$let": {"vars": e, "in": {"$cond": ["$$e.lease", found, None]}}}}
