"""The text of a lease."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from faulty import FaultyLocks

from mongolock_async import LockRepository
from mongolock_async._api.exported import Exported

TEXT = Exported("cron", "0123456789abcdef.7", 1_795_000_000_000).text()


def sealed(*content: Any) -> str:
    """As the text is made, of whatever it may be."""
    whole = json.dumps(content).encode()
    check = hashlib.sha256(whole).digest()[:8]
    return "lease1." + base64.urlsafe_b64encode(check + whole).decode()


def test_it_says_what_it_was_made_of() -> None:
    for name in ("cron", "ü🔒" * 100, '"\\'):
        exported = Exported(name, "0123456789abcdef.7", 2**63 - 1)
        assert Exported.read(exported.text()) == exported
        assert exported.text().isascii()
        assert " " not in exported.text()


@pytest.mark.parametrize("place", range(len(TEXT)))
def test_a_changed_text_is_refused_wherever_it_was_changed(place: int) -> None:
    for other in {"A", "b", " ", "ü"} - {TEXT[place]}:
        with pytest.raises(ValueError, match=r"no text of lease.export\(\), or was changed"):
            Exported.read(TEXT[:place] + other + TEXT[place + 1 :])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cron",
        TEXT[:-1],
        TEXT + "=",
        TEXT + "\n",
        " " + TEXT,
        TEXT.removeprefix("lease1."),
        TEXT.replace("lease1.", "lease2."),
        sealed(),
        sealed("cron", "0123456789abcdef.7"),
        sealed("cron", "0123456789abcdef.7", 1, 2),
        sealed("", "0123456789abcdef.7", 1),
        sealed("cron", "$evil", 1),
        sealed("cron", 7, 1),
        sealed("cron", "0123456789abcdef.7", -1),
        sealed("cron", "0123456789abcdef.7", "1"),
        sealed(7, "0123456789abcdef.7", 1),
    ],
)
async def test_what_is_no_text_of_a_lease_is_refused_before_anything_is_sent(
    locks: LockRepository, memory: FaultyLocks, text: str
) -> None:
    with pytest.raises(ValueError, match="text is no text of"):
        await locks.adopt(text)
    assert not memory.sent


async def test_what_is_no_str_is_refused(locks: LockRepository) -> None:
    for text in (None, 7, TEXT.encode(), Exported.read(TEXT)):
        with pytest.raises(TypeError, match="text must be the str of"):
            await locks.adopt(text)  # type: ignore[arg-type]  # that is the point
