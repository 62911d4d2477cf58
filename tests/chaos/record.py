"""Facts on their way from the workers' files to a history."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .facts import History, Look, Place, Section, Wait, Write


class Recorder:
    """Writes facts to a file, each at once, so that what was written outlives a SIGKILL."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._numbers = itertools.count(1)

    def note(self, kind: str, **facts: Any) -> None:
        """A fact; ``t`` is now, unless it says otherwise."""
        line = {"kind": kind, "t": time.monotonic(), **facts}
        os.write(self._file, json.dumps(line).encode() + b"\n")

    def number(self) -> int:
        """One that this file has not had yet."""
        return next(self._numbers)


class Account:
    """A history, and what else the workers said.

    Attributes:
        counts: how often each kind of fact came, and each kind of trouble.
        unfinished: workers that were killed, and so did not say goodbye.
    """

    def __init__(self, over: float) -> None:
        self.history = History(over=over)
        self.counts: Counter[str] = Counter()
        self.unfinished = 0

    def read(self, path: Path) -> None:
        """Add what one worker wrote; the last line of one that was killed may be cut off."""
        lines = [json.loads(line) for line in path.read_bytes().splitlines() if line.endswith(b"}")]
        self.counts.update(line["what"] if line["kind"] == "trouble" else line["kind"] for line in lines)
        by_kind: dict[str, list[dict[str, Any]]] = {}
        for line in lines:
            by_kind.setdefault(line["kind"], []).append(line)
        self._sections(by_kind.get("begin", []), by_kind.get("end", []))
        self._places(by_kind.get("asked", []), by_kind.get("queued", []), by_kind.get("granted", []))
        self._waits(by_kind.get("wait", []), by_kind.get("waited", []), by_kind.get("bye", []))
        for line in by_kind.get("write", []):
            self.history.writes.append(Write(line["lock"], line["order"], line["token"]))
        for line in by_kind.get("look", []):
            self.history.looks.append(
                Look(line["lock"], line["token"], line["owner"], line["value"], line["t"])
            )
        self.history.runs += [line["boundary"] for line in by_kind.get("run", [])]
        for line in by_kind.get("capacity", []):
            self.history.capacities[line["lock"]] = line["capacity"]

    def _sections(self, begins: Iterable[Mapping[str, Any]], ends: Iterable[Mapping[str, Any]]) -> None:
        until = {line["number"]: line["t"] for line in ends}
        for line in begins:
            end = max(line["t"], until.get(line["number"], line["t"]))
            facts = (line["lock"], line["lease"], line["token"], line["t"], end, line["weight"], line["role"])
            self.history.sections.append(Section(*facts))

    def _places(
        self,
        asked: Iterable[Mapping[str, Any]],
        queued: Iterable[Mapping[str, Any]],
        granted: Iterable[Mapping[str, Any]],
    ) -> None:
        had = {line["lease"]: line["t"] for line in reversed(list(queued))}
        tokens = {line["lease"]: line["token"] for line in granted}
        for line in asked:
            lease = line["lease"]
            if lease in had:
                place = Place(line["lock"], lease, line["t"], had[lease], tokens.get(lease))
                self.history.places.append(place)

    def _waits(
        self,
        began: Iterable[Mapping[str, Any]],
        ended: Iterable[Mapping[str, Any]],
        goodbyes: Sequence[Mapping[str, Any]],
    ) -> None:
        until = {line["number"]: line["t"] for line in ended}
        self.unfinished += not goodbyes
        for line in began:
            # What a worker waited for when it was killed, it waits for no more.
            if line["number"] in until or goodbyes:
                self.history.waits.append(Wait(line["lock"], line["t"], until.get(line["number"])))
