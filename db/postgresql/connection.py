"""Connections of the pool, which wait for the server no longer than the deadline of a request (`db.deadline`).

The server may be gone without a word: frozen, or behind a network that drops everything. A statement that is only slow
is not ended, because a new connection proves that the server answers.
"""

from __future__ import annotations

import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg_pool.base import AttemptWithBackoff

from db import deadline

T = TypeVar("T")
CONNECT_SECONDS = 3
# The pool attempts to connect once a second while the server is away. Its default doubles the pause each
# time, so that a console would be back long after its database.
AttemptWithBackoff.DELAY_BACKOFF = 1.0


class QuickConnection(psycopg.Connection[Any]):
    """A connection on which each answer takes at most CONNECT_SECONDS."""

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        return super().wait(gen, interval, CONNECT_SECONDS if timeout is None else timeout)


class Connection(psycopg.Connection[Any]):
    """A connection that gives up on a server that does not answer, when the request in hand has waited long enough."""

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        left = deadline.left()
        return super().wait(gen if left is None else self._until(gen, left), interval, timeout)

    def _until(self, gen: PQGen[T], seconds: float) -> PQGen[T]:
        """Yield what `gen` yields. Raise OperationalError where the server neither answers here nor elsewhere."""
        give_up_at = time.monotonic() + seconds
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > give_up_at:
                    self._probe()
                    give_up_at = time.monotonic() + deadline.REQUEST_SECONDS
                wanted = gen.send(ready)
        except StopIteration as done:
            result: T = done.value
            return result

    def _probe(self) -> None:
        """Raise OperationalError if the server accepts no connection."""
        parameters: dict[str, Any] = self.info.get_parameters()
        parameters |= {"password": self.info.password, "connect_timeout": CONNECT_SECONDS}
        try:
            with QuickConnection.connect(**parameters) as link:
                link.execute("SELECT 1")
        except psycopg.OperationalError as error:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the server does not answer: {error}") from error
