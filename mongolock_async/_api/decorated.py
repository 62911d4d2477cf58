"""Coroutine functions whose calls hold locks."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def decorated(
    function: Callable[P, Coroutine[Any, Any, R]], lock_of: Callable[P, AbstractAsyncContextManager[object]]
) -> Callable[P, Coroutine[Any, Any, R]]:
    """Each call holds a lock, which follows from its arguments, from its beginning to its end.

    Raises:
        TypeError: the function is not a coroutine function.
    """
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"@lock takes a coroutine function, not {function!r}")

    @functools.wraps(function)
    async def locked(*args: P.args, **kwargs: P.kwargs) -> R:
        async with lock_of(*args, **kwargs):
            return await function(*args, **kwargs)

    return locked
