"""What two worlds have in common that differ only in names, in the date and in the size of tokens."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from mongolock_async._memory.entry import Entry
from mongolock_async._protocol.kind import base_of

from .stored import Stored, live
from .world import RETENTION, TICK, TTL, Member, Request, World

# Ages beyond this make no difference: every lease, place and deadline that counts from then is over.
OLD = -TTL - 1
# Ticks; longer than all that ends.
FOR_EVER = 1_000


def digest(world: World) -> bytes:
    return blake2b(repr(form(world)).encode(), digest_size=12).digest()


def form(world: World) -> tuple[object, ...]:
    """Equal for two worlds only if each step of one has its like in the other."""
    return _Form(world).whole()


class _Form:
    def __init__(self, world: World) -> None:
        self.world = world
        # A former primary may have been ahead, but no clock is behind the true time.
        self.clock = world.now * TICK
        self.documents = (world.primary, world.committed)
        self.ranks = {token: rank for rank, token in enumerate(self._old_tokens(), 1)}
        self.names: dict[str, int] = {}

    def whole(self) -> tuple[object, ...]:
        world = self.world
        rows = sorted((self._member(number), number) for number in range(len(world.members)))
        for rank, (_, number) in enumerate(rows):
            if lease := world.members[number].lease:
                self.names[lease] = -1 - rank
        documents = tuple(map(self._document, self.documents))
        # A lease that nothing but requests knows of needs no name.
        unheard = sorted(
            (self._known(lease), self._unheard(lease))
            for lease in {request.lease for request in world.requests if not request.heard}
        )
        return (
            tuple(row for row, _ in rows),
            documents,
            tuple(unheard),
            world.ahead,
            world.failures,
            max(world.past.kept // TICK - world.now, 0),
            world.past.done,
            world.past.worked,
            self._text(*world.past.text),
            self._token(world.past.stamp),
            self._token(world.past.newest),
            self._token(world.past.believed),
        )

    def _member(self, number: int) -> tuple[object, ...]:
        world = self.world
        one = world.members[number]
        return (
            one.phase,
            one.stays,
            self._age(one.since),
            self._token(one.token),
            max(one.until - world.now, 0),
            self._token(one.writing),
            one.offset,
            tuple(
                self._request(request)
                for request in world.requests
                if request.heard and request.member == number
            ),
            tuple(
                sorted((call.lease == one.lease, call.safe) for call in world.calls if call.member == number)
            ),
            self._unheard(one.lease),
            _place(world.primary, one.lease),
            _place(world.committed, one.lease),
            one.weight,
            (one.rise, self._unheard_upgrades(one)),
        )

    def _unheard(self, lease: str) -> tuple[object, ...]:
        requests = [
            request for request in self.world.requests if request.lease == lease and not request.heard
        ]
        return tuple(sorted(self._request(request) for request in requests))

    def _unheard_upgrades(self, member: Member) -> tuple[object, ...]:
        mine = [one for one in self.world.requests if not one.heard and base_of(one.lease) == member.lease]
        return tuple(sorted((self._since_upgrade(one.lease), self._request(one)) for one in mine))

    def _request(self, request: Request) -> tuple[object, ...]:
        answer = request.answer
        return (
            request.kind,
            request.weight,
            base_of(request.lease) is None,
            self._age(request.since) if request.heard else 0,
            request.undo,
            request.safe,
            self._token(request.token),
            () if answer is None else (self._token(answer.token), answer.remaining, answer.outcome),
            request.keeps,
            self._further(request),
        )

    def _further(self, request: Request) -> tuple[object, ...]:
        """What but few of them have."""
        match request.kind:
            case "adopt":
                return self._text(request.old, request.token)
            case "finish":
                return tuple(one is not None and one.done_by == request.lease for one in self.documents)
            case _:
                return ()

    def _text(self, lease: str, token: int) -> tuple[object, ...]:
        """A lease that was exported; all that are over are one."""
        if not lease:
            return ()
        places = [_place(document, lease) for document in self.documents]
        return (*places, self._token(token) if max(places) >= 0 else 0)

    def _document(self, document: Stored | None) -> tuple[object, ...]:
        if document is None:
            return ()
        age = max(document.token // TICK - self.world.now, -1 - RETENTION)
        entries = self._entries(document.holders), self._entries(document.queue)
        return (self._token(document.token), age, document.capacity, document.kind, *entries)

    def _entries(self, entries: Iterable[Entry]) -> tuple[object, ...]:
        return tuple(
            (
                self._name(entry.lease),
                self._left(entry.expires),
                self._token(entry.token or 0),
                entry.weight,
                self._since_upgrade(entry.upgrade),
                () if entry.at_least is None else self._kept(entry),
            )
            for entry in entries
            if entry.expires > self.clock or entry.last > self.clock
        )

    def _kept(self, entry: Entry) -> tuple[int, int]:
        """Until when its name is to stay taken, and until when it would, if it were released."""
        assert entry.at_least is not None
        return self._left(entry.keep_until or 0), self._left(entry.since + entry.at_least)

    def _left(self, until: int) -> int:
        return min(max(until // TICK - self.world.now, 0), FOR_EVER)

    def _name(self, lease: str) -> tuple[int, int]:
        name = self.names.setdefault(base_of(lease) or lease, len(self.names) + 1)
        return name, self._since_upgrade(lease)

    def _known(self, lease: str) -> tuple[int, int]:
        return self.names.get(base_of(lease) or lease, 0), self._since_upgrade(lease)

    def _since_upgrade(self, lease: str | None) -> int:
        """How many upgrades ago: 1 is the last one; 0 is none."""
        if lease is None or (base := base_of(lease)) is None:
            return 0
        last = max((_number(one.upgrade) for one in self.world.members if one.lease == base), default=0)
        return 1 + last - _number(lease)

    def _age(self, since: int) -> int:
        return max(since - self.world.now, OLD) if since else 0

    def _token(self, token: int) -> int:
        """Of those that the clock has passed, the order alone: the next one is greater."""
        return self.ranks.get(token) or (1_000 + token - self.clock if token else 0)

    def _old_tokens(self) -> list[int]:
        world = self.world
        found = {world.past.stamp, world.past.newest, world.past.believed}
        for document in self.documents:
            if document is not None:
                found.add(document.token)
                found.update(entry.token or 0 for entry in live(document.holders, self.clock))
        for member in world.members:
            found.update((member.token, member.writing))
        for request in world.requests:
            found.add(request.token)
            if request.answer is not None:
                found.add(request.answer.token)
        found.add(world.past.text[1])
        return sorted(token for token in found if 0 < token < self.clock)


def _number(upgrade: str) -> int:
    return int(upgrade.partition("+")[2] or 0)


def _place(document: Stored | None, lease: str) -> int:
    if document is None or not lease:
        return -1
    for number, entry in enumerate(document.holders + document.queue):
        if entry.lease == lease:
            return number
    return -1
