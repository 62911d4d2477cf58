"""A lease as a text, for the process that goes on with it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from mongolock_async._settings import check_name, check_token

# Of the format. Another version would be another beginning.
BEGIN = "lease1."
CHECK = 8
LEASE = re.compile(r"[0-9a-f]{1,64}\.[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Exported:
    """What names a lease, and proves whose it is.

    Attributes:
        name: the lock.
        lease: the lease id.
        token: the fencing token.
    """

    name: str
    lease: str
    token: int

    def text(self) -> str:
        """ASCII, without spaces: fit for an environment variable, a message or a URL."""
        content = json.dumps([self.name, self.lease, self.token]).encode()
        return BEGIN + base64.urlsafe_b64encode(_check_of(content) + content).decode()

    @classmethod
    def read(cls, text: object) -> Self:
        """What ``text`` has made.

        Raises:
            TypeError: it is no str.
            ValueError: it is nothing that ``text`` has made, or was changed since.
        """
        if not isinstance(text, str):
            raise TypeError(f"text must be the str of lease.export(), not {type(text).__name__}")
        with suppress(ValueError, TypeError):
            whole = base64.urlsafe_b64decode(text.removeprefix(BEGIN))
            name, lease, token = json.loads(whole[CHECK:])
            exported = cls(check_name(name), lease, check_token(token))
            # As a whole: Base64 and JSON overlook much.
            if LEASE.fullmatch(lease) and exported.text() == text:
                return exported
        raise ValueError("text is no text of lease.export(), or was changed since")


def _check_of(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()[:CHECK]
