"""Group commit: requests that arrive while a write runs are written together by the next one (docs/how-it-works.md §3.3).

A lone request never waits. No thread takes part: all runs on the loop that reads the requests.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import close_old_connections

from alerts.events import IncomingEvent
from alerts.fast_path import connections
from alerts.fast_path.connections import Connection
from alerts.health import ingest_stats
from alerts.ingest.ingest import IngestOutcome, Sent, identities_of, ingesting, request_correlation
from appkeys.models import AppKey

logger = logging.getLogger(__name__)
GROUP = 2_000  # events
# While one write waits for the disk, the next group is read. So that both are as large, a writer that is alone takes
# half of what is in play: of what waits, and what it stored just now, whose senders come again. Of fewer events than
# this it takes all: a second write would cost more than the wait.
LEAST = 8
# Fewer events than this cost less where they wait for the next group of the writer at work; but no longer than this,
# since it may wait for a lock.
WORTHWHILE = 16
WAIT_SECONDS = 0.02


Done = Callable[[list[IngestOutcome] | Exception], None]


@dataclass(slots=True, eq=False)
class Waiting:
    """One request: what it sent, and whom to tell the outcomes once they are committed, or the error that kept them from it."""

    sent: list[tuple[AppKey, IncomingEvent]]
    identities: list[str]
    done: Done


class Closed(Exception):
    """Nothing is taken any more; who comes now asks door 1."""


class GroupCommit:
    """Writers with a connection each: while the database works on one group, the next is read.

    Events of one identity are stored in the order they were handed over: what one writer has of it, no other takes.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._connections = connections.own()
        self._free = list(self._connections)
        self._bell = Bell()
        self._waiting: list[Waiting] = []
        self._events_waiting = 0
        self._in_flight: set[str] = set()  # identities
        self._writers: set[asyncio.Task[None]] = set()
        self._is_starting = False
        self._starts_later: asyncio.TimerHandle | None = None
        self._is_closed = False
        # Of the last group, whether it was new as a whole, and whether it wrote at all: the next one is probably like
        # it.
        self._are_new = self._have_written = True

    def store(self, sent: list[tuple[AppKey, IncomingEvent]], done: Done) -> None:
        """Returns at once; what is handed over in one turn of the loop is written together."""
        if self._is_closed:
            done(Closed())
            return
        self._waiting.append(Waiting(sent, identities_of(sent), done))
        self._events_waiting += len(sent)
        if len(self._free) == len(self._connections) or self._events_waiting >= WORTHWHILE:
            self._start()
        else:
            self._start_later()

    def _start_later(self) -> None:
        if self._waiting and self._starts_later is None:
            self._starts_later = self._loop.call_later(WAIT_SECONDS, self._start_late, self._waiting[0])

    def _start_late(self, first: Waiting) -> None:
        self._starts_later = None
        if first in self._waiting[:1]:
            self._start()
        else:  # the writer at work does not wait itself
            self._start_later()

    def _start(self) -> None:
        """A writer more, where one is free."""
        if self._free and not self._is_starting:
            self._is_starting = True
            writer = self._loop.create_task(self._write(self._free.pop()))
            self._writers.add(writer)
            writer.add_done_callback(self._writers.discard)

    async def close(self) -> None:
        """Store what was handed over, say so, and let the connections go. Nothing is taken after this."""
        self._is_closed = True
        while self._writers:  # one may still begin
            await asyncio.gather(*self._writers)
        if self._starts_later:
            self._starts_later.cancel()
        for connection in self._connections:
            connection.close()
        await asyncio.to_thread(self._bell.stop)

    async def _write(self, connection: Connection) -> None:
        self._is_starting = False
        identities: list[str] = []
        while group := self._next_group(len(identities)):
            identities = [identity for waiting in group for identity in waiting.identities]
            self._in_flight.update(identities)
            try:
                answers = await self._store_group(group, connection)
            except Exception as error:  # whatever it is, each request must be answered
                logger.exception("group commit: %d requests could not be stored", len(group))
                answers = [error] * len(group)
            self._in_flight.difference_update(identities)
            if self._has_time_left():
                self._loop.call_soon(_tell, group, answers)  # once the next one is under way
            else:
                _tell(group, answers)
        self._free.append(connection)

    def _next_group(self, before: int) -> list[Waiting]:
        """Those who came first, up to a group's size, but for whom another writer is at the same alert; empty when there are none.

        `before` is how many events the writer stored just now.
        """
        group, left = [], []
        held: set[str] = set()
        size = 0
        is_alone = self._has_time_left() and not self._in_flight
        most = min(GROUP, max(LEAST, (before + self._events_waiting) // 2)) if is_alone else GROUP
        for waiting in self._waiting:
            mine = waiting.identities
            if size < most and self._in_flight.isdisjoint(mine) and held.isdisjoint(mine):
                group.append(waiting)
                size += len(mine)
            else:
                left.append(waiting)
                held.update(mine)
        self._waiting = left
        self._events_waiting -= size
        self._start_later()
        return group

    def _has_time_left(self) -> bool:
        """Whether a write most likely leaves us time: SQLite's is done by the loop itself, and duplicates are not written."""
        return self._have_written and len(self._connections) > 1

    async def _store_group(self, group: list[Waiting], connection: Connection) -> list[list[IngestOutcome] | Exception]:
        """One look-up, one write, one commit for all; where that fails, each request by itself, so that a bad one fails alone."""
        sent = [each for waiting in group for each in waiting.sent]
        identities = [identity for waiting in group for identity in waiting.identities]
        try:
            outcomes = await self._take(sent, identities, connection)
        except connections.Lost as error:
            return [error] * len(group)
        except Exception as error:  # noqa: BLE001
            if len(group) == 1:
                return [error]
            logger.warning(
                "group commit: a group of %d failed (%s), each request is tried by itself",
                len(group),
                type(error).__name__,
            )
            return [answer for waiting in group for answer in await self._store_group([waiting], connection)]
        answers: list[list[IngestOutcome] | Exception] = []
        start = 0
        for waiting in group:
            answers.append(outcomes[start : start + len(waiting.sent)])
            start += len(waiting.sent)
        return answers

    async def _take(self, sent: Sent, identities: list[str], connection: Connection) -> list[IngestOutcome]:
        steps = ingesting(sent, received_at=datetime.now(UTC), identities=identities, are_new=self._are_new)
        outcomes, self._are_new = await connections.carry_out(steps, connection)
        ingest_stats.count(sent, outcomes)
        self._have_written = IngestOutcome.ACCEPTED in outcomes
        if self._have_written:
            self._bell.ring()
        return outcomes


def _tell(group: list[Waiting], answers: list[list[IngestOutcome] | Exception]) -> None:
    for waiting, answer in zip(group, answers, strict=True):
        try:
            waiting.done(answer)
        except Exception:  # the others are to be told nevertheless
            logger.exception("group commit: a sender could not be answered")


class Bell:
    """Says that there is work: at once, and then no oftener than a page could show. A message for each group would cost more than the group."""

    PAUSE_SECONDS = 0.2

    def __init__(self) -> None:
        self._work = threading.Event()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._ring, name="group-commit-bell", daemon=True)
        self._thread.start()

    def ring(self) -> None:
        self._work.set()

    def stop(self) -> None:
        """Ring a last time, and end."""
        self._is_stopping = True
        self._work.set()
        self._thread.join()

    def _ring(self) -> None:
        while True:
            self._work.wait()
            self._work.clear()
            try:
                request_correlation()
            except Exception as error:  # noqa: BLE001 - each transport has errors of its own
                logger.warning("group commit: the broker is away (%s), the sweep will find the work", error)
            close_old_connections()
            if self._is_stopping:
                return
            time.sleep(self.PAUSE_SECONDS)
