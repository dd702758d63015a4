"""What glibc's allocator is asked for by processes that run for weeks; elsewhere this does nothing.

By itself it gives threads that come and go up to eight heaps a core, each with holes of its own,
and keeps pages that were freed below one that is still held.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

MOST_HEAPS = 2
M_ARENA_MAX = -8  # mallopt's name for it, in malloc.h


def share_heaps() -> None:
    """Let all threads that start from now on share two heaps."""
    _call("mallopt", M_ARENA_MAX, MOST_HEAPS)


def give_back() -> None:
    """Give every free page back to the system, wherever in a heap it lies."""
    _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> None:
    function: Callable[..., Any] | None = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        function(*arguments)
