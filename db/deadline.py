"""The time that a request may wait for the database, in all: for a thread, for a connection, and for the server's answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# A sender waits for the fast path first (`alerts.fast_path.connections.ANSWER_SECONDS`), then so long at most. Both
# together are less than 20 s.
REQUEST_SECONDS = 8.0
LEAST_SECONDS = 0.1  # for a connection that is free, when a request that was slow for another reason asks for it
_moment: ContextVar[float | None] = ContextVar("deadline", default=None)


def begin(seconds: float = REQUEST_SECONDS) -> None:
    """Set the deadline of the current request, also for the threads that work for it."""
    _moment.set(time.monotonic() + seconds)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Set a deadline for a block. A deadline of the request that comes sooner stays."""
    moment, earlier = time.monotonic() + seconds, _moment.get()
    token = _moment.set(moment if earlier is None else min(earlier, moment))
    try:
        yield
    finally:
        _moment.reset(token)


def left() -> float | None:
    """Return the seconds that are left, at least LEAST_SECONDS. None outside a request, where nothing is limited."""
    moment = _moment.get()
    return None if moment is None else max(moment - time.monotonic(), LEAST_SECONDS)
