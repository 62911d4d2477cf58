"""Run the parts of the pages, each page from top to bottom as one program: ``python parts.py DRIVER URI``.

A part may ``await``. Before the first one there are ``asyncio``, ``client``, ``db`` (of that page alone),
``locks``, and every name of ``mongolock_async``.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import sys
from itertools import groupby
from typing import Any

from pages import Block, blocks, on_pymongo

import mongolock_async
from mongolock_async import LockRepository


async def run(page: list[Block], client: Any, driver: str) -> None:
    """One page."""
    db = client[f"parts_{page[0].page.removesuffix('.md').replace('/', '_')}_{driver}"]
    names: dict[str, Any] = {name: getattr(mongolock_async, name) for name in mongolock_async.__all__}
    names |= {"asyncio": asyncio, "client": client, "db": db, "locks": LockRepository(db.locks, ttl=10)}
    for block in page:
        locks = names["locks"]
        code = block.code if driver == "motor" else on_pymongo(block.code)
        # Blank lines, so that a traceback names the line of the page.
        text = "\n" * (block.line - 1) + code
        result = eval(compile(text, block.page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
        if inspect.isawaitable(result):
            await result
        if names["locks"] is not locks:  # the page has made others
            await locks.aclose()
    await names["locks"].aclose()


async def main(driver: str, uri: str) -> None:
    """All pages, one after the other."""
    if driver == "motor":
        from motor.motor_asyncio import AsyncIOMotorClient  # noqa: PLC0415 - the other driver is not imported

        client: Any = AsyncIOMotorClient(uri)
    else:
        from pymongo import AsyncMongoClient  # noqa: PLC0415 - likewise

        client = AsyncMongoClient(uri)
    for _, page in groupby(blocks("part"), key=lambda block: block.page):
        await run(list(page), client, driver)
    closed = client.close()
    if closed is not None:
        await closed


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
