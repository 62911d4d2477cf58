"""The Python blocks of the pages in docs, and how each is run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
BLOCK = re.compile(r"(?:^<!-- (?P<mark>.*) -->\n+)?^```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
# Above a block that is not run as it stands: the file that runs what it shows, or why nothing can.
ELSEWHERE, NOWHERE = "run by ", "not run: "


@dataclass(frozen=True)
class Block:
    """One block of Python.

    Attributes:
        page: in docs.
        line: on which its code begins.
        code: as it stands there.
        mark: what the comment above it says; "" if there is none.
    """

    page: str
    line: int
    code: str
    mark: str

    @property
    def kind(self) -> str:
        """How it is run: a script has its own process, a test is given to pytest, parts make one program."""
        if self.mark.startswith((ELSEWHERE, NOWHERE)):
            return "elsewhere"
        if "asyncio.run(" in self.code:
            return "script"
        return "test" if "import pytest" in self.code else "part"

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(kind: str) -> list[Block]:
    """All of that kind, page by page."""
    return [block for page in PAGES for block in _blocks_of(page) if block.kind == kind]


def on_pymongo(code: str) -> str:
    """The same on PyMongo's client: what the pages say of it."""
    code = code.replace(
        "from motor.motor_asyncio import AsyncIOMotorClient", "from pymongo import AsyncMongoClient"
    )
    code = re.sub(r"^( *)client\.close\(\)", r"\1await client.close()", code, flags=re.MULTILINE)
    code = code.replace("await client.start_session()", "client.start_session()")
    return code.replace("AsyncIOMotorClient", "AsyncMongoClient")


def _blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for found in BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("code")) + 1
        yield Block(page.relative_to(DOCS).as_posix(), line, found["code"], found["mark"] or "")
