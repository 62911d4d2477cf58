"""What a user may come to see of the package: its log lines and its errors."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

import pytest
from support import until

SECRET = "hunter2-4711-swordfish"
# What the text of an error or a log line has no business with: parts of commands.
COMMAND = ["$switch", "$literal", "$$NOW", "findAndModify", "lsid", "$clusterTime", "afterClusterTime"]


class Heard(logging.Handler):
    """Our log lines and our errors, and what they show."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[BaseException] = []
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @contextlib.contextmanager
    def error(self, kind: type[BaseException]) -> Iterator[None]:
        """Expect it, and keep it."""
        with pytest.raises(kind) as caught:
            yield
        self.errors.append(caught.value)

    def logged(self, text: str) -> bool:
        """Whether one of our log lines says so."""
        return any(text in record.getMessage() for record in self.records)

    async def line(self, text: str) -> None:
        """Wait until one of our log lines says so."""

        async def said() -> bool:
            return self.logged(text)

        await until(said)

    @property
    def texts(self) -> list[str]:
        """All that somebody may come to see of them."""
        plain = logging.Formatter()
        found = []
        for error in self.errors:
            found += [str(error), repr(error), repr(error.args)]
        for record in self.records:
            # With the traceback, where there is one.
            found += [plain.format(record), str(record.msg), repr(record.args), str(record.exc_text)]
        return found


def shown(texts: list[str], secrets: list[str]) -> list[str]:
    return [text for text in texts if any(secret in text for secret in secrets)]


@contextlib.contextmanager
def hearing() -> Iterator[Heard]:
    """All that our logger is told during the block, at every level."""
    heard, logger = Heard(), logging.getLogger("mongolock_async")
    level = logger.level
    logger.addHandler(heard)
    logger.setLevel(logging.DEBUG)
    yield heard
    logger.setLevel(level)
    logger.removeHandler(heard)
