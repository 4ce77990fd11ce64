"""The moment at which a search stops.

A search asks the database and tests values here, so both look at the same moment: `db.time_limit` sets it, and each
regular expression checks it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import monotonic

from bpql.errors import BpqlError


class SearchStopped(BpqlError):
    """A search that took too long. The message is for the person who searches."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"This search took longer than {seconds:g} s and was stopped. Narrow it, for example to one tag or a shorter time.",
            None,
        )


@dataclass(frozen=True, slots=True)
class SearchLimit:
    """The end of a search, with the time that the search had."""

    seconds: float
    ends_at: float

    @property
    def left(self) -> float:
        return self.ends_at - monotonic()


_present: ContextVar[SearchLimit | None] = ContextVar("search_limit", default=None)


def present() -> SearchLimit | None:
    """Return the limit of the search that runs here, or None."""
    return _present.get()


@contextmanager
def within(seconds: float) -> Iterator[SearchLimit]:
    """Give a search so many seconds from now."""
    limit = SearchLimit(seconds, monotonic() + seconds)
    token = _present.set(limit)
    try:
        yield limit
    finally:
        _present.reset(token)


def check() -> None:
    """Raise SearchStopped when the search that runs here is out of time."""
    limit = _present.get()
    if limit is not None and monotonic() > limit.ends_at:
        raise SearchStopped(limit.seconds)
