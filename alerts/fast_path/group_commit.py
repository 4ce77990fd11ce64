"""Group commit: the next write stores all requests that arrived during the previous one (docs/how-it-works.md §3.3).

A single request never waits. Everything runs on the event loop that reads the requests, without threads.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter

from django.db import close_old_connections

from alerts.events import IncomingEvent
from alerts.fast_path import connections
from alerts.fast_path.connections import Connection
from alerts.health import ingest_stats
from alerts.ingest.ingest import IngestOutcome, Sent, identities_of, ingesting, request_correlation
from appkeys.models import AppKey
from db.outage import outage_of
from telemetry.counts import accept_seconds

logger = logging.getLogger(__name__)
GROUP_LIMIT = 2_000  # events
# While the database works on one group, the next one is read. To make both equally large, a writer without a second one
# beside it takes half of the events in play: of those that wait, and of those of its previous write, whose senders will
# send again. It takes everything below this number of events: there a second write would cost more than the wait.
SMALLEST_GROUP = 8
# A busy writer takes fewer events than this with its next group, at a lower cost than a further writer. It may wait for
# a lock, so a further writer starts after WAIT_SECONDS in any case.
WORTH_A_WRITER = 16
WAIT_SECONDS = 0.02


Done = Callable[[list[IngestOutcome] | Exception], None]


@dataclass(slots=True, eq=False)
class WaitingRequest:
    """The events of one request. `done` receives their outcomes after the commit, or the error that prevented it."""

    sent: list[tuple[AppKey, IncomingEvent]]
    identities: list[str]
    done: Done
    received_at: float  # by the clock of the event loop


class Closed(Exception):
    """The group commit accepts no more requests. The standard path answers them."""


class GroupCommit:
    """Writers with a connection each. While the database works on the group of one, another reads the next group.

    Events of one identity are stored in their order: no writer takes an identity that another writer holds.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._connections = connections.create()
        self._free = list(self._connections)
        self._notifier = CorrelationNotifier()
        self._waiting: list[WaitingRequest] = []
        self._events_waiting = 0
        self._in_flight: set[str] = set()  # identities
        self._writers: set[asyncio.Task[None]] = set()
        self._is_starting = False
        self._starts_later: asyncio.TimerHandle | None = None
        self._is_closed = False
        # The next group is probably like the last one: all of its identities were new, or it wrote anything at all.
        self._are_new = self._have_written = True

    def store(self, sent: list[tuple[AppKey, IncomingEvent]], done: Done) -> None:
        """Accept the events of a request, and return at once.

        Requests of one iteration of the event loop are written together.
        """
        if self._is_closed:
            done(Closed())
            return
        self._waiting.append(WaitingRequest(sent, identities_of(sent), done, self._loop.time()))
        self._events_waiting += len(sent)
        if len(self._free) == len(self._connections) or self._events_waiting >= WORTH_A_WRITER:
            self._start()
        else:
            self._start_later()

    def _start_later(self) -> None:
        if self._waiting and self._starts_later is None:
            self._starts_later = self._loop.call_later(WAIT_SECONDS, self._start_late, self._waiting[0])

    def _start_late(self, first: WaitingRequest) -> None:
        self._starts_later = None
        if first in self._waiting[:1]:
            self._start()
        else:  # the busy writer has taken the request meanwhile
            self._start_later()

    def _start(self) -> None:
        """Start a further writer if a connection is free."""
        if self._free and not self._is_starting:
            self._is_starting = True
            writer = self._loop.create_task(self._write(self._free.pop()))
            self._writers.add(writer)
            writer.add_done_callback(self._writers.discard)

    async def close(self) -> None:
        """Store and answer the accepted requests, then close the connections. Refuse all further requests."""
        self._is_closed = True
        while self._writers:  # a writer may start another one
            await asyncio.gather(*self._writers)
        if self._starts_later:
            self._starts_later.cancel()
        for connection in self._connections:
            connection.close()
        await asyncio.to_thread(self._notifier.stop)

    async def _write(self, connection: Connection) -> None:
        self._is_starting = False
        identities: list[str] = []
        while group := self._next_group(len(identities)):
            identities = [identity for request in group for identity in request.identities]
            self._in_flight.update(identities)
            try:
                answers = await self._store_group(group, connection)
            except Exception as error:  # each request must be answered, whatever happens
                logger.exception("group commit: %d requests could not be stored", len(group))
                answers = [error] * len(group)
            self._in_flight.difference_update(identities)
            now = self._loop.time()
            accept_seconds.observe([now - request.received_at for request in group])
            if self._has_time_left():
                self._loop.call_soon(_answer, group, answers)  # after the next write has begun
            else:
                _answer(group, answers)
                await asyncio.sleep(0)  # SQLite never waits: between two groups, new requests are read
        self._free.append(connection)

    def _next_group(self, before: int) -> list[WaitingRequest]:
        """Return the oldest requests up to the group size, skipping alerts that another writer holds.

        If more wait than one group can hold, the App Keys take turns, so that a storm of one delays no other.

        `before` is the number of events of the writer's previous group.
        """
        group, left = [], []
        held: set[str] = set()
        size = 0
        is_alone = self._has_time_left() and not self._in_flight
        most = GROUP_LIMIT
        if is_alone:
            most = min(GROUP_LIMIT, max(SMALLEST_GROUP, (before + self._events_waiting) // 2))
        is_crowded = self._events_waiting > GROUP_LIMIT
        for request in _in_turn(self._waiting) if is_crowded else self._waiting:
            identities = request.identities
            if size < most and self._in_flight.isdisjoint(identities) and held.isdisjoint(identities):
                group.append(request)
                size += len(identities)
            else:
                left.append(request)
                held.update(identities)
        self._waiting = left
        self._events_waiting -= size
        self._start_later()
        return group

    def _has_time_left(self) -> bool:
        """Return whether the event loop is probably free during a write.

        SQLite writes on the event loop itself, and duplicates are not written.
        """
        return self._have_written and len(self._connections) > 1

    async def _store_group(
        self, group: list[WaitingRequest], connection: Connection
    ) -> list[list[IngestOutcome] | Exception]:
        """Store a group with one look-up, one write and one commit. Return the answer to each request.

        If that fails, store each request alone, so that only a bad request fails.
        """
        sent = [each for request in group for each in request.sent]
        identities = [identity for request in group for identity in request.identities]
        try:
            outcomes = await self._ingest(sent, identities, connection)
        except connections.ConnectionLost as error:
            self._pass_on_waiting(error)
            return [error] * len(group)
        except Exception as error:  # noqa: BLE001
            if len(group) == 1 or outage_of(error):
                return [error] * len(group)
            logger.warning(
                "group commit: a group of %d failed (%s), each request is tried by itself",
                len(group),
                type(error).__name__,
            )
            return [answer for request in group for answer in await self._store_group([request], connection)]
        answers: list[list[IngestOutcome] | Exception] = []
        start = 0
        for request in group:
            answers.append(outcomes[start : start + len(request.sent)])
            start += len(request.sent)
        return answers

    def _pass_on_waiting(self, error: Exception) -> None:
        """Let the standard path answer the requests that have waited while the database did not answer."""
        waiting, self._waiting, self._events_waiting = self._waiting, [], 0
        _answer(waiting, [error] * len(waiting))

    async def _ingest(self, sent: Sent, identities: list[str], connection: Connection) -> list[IngestOutcome]:
        transactions = ingesting(sent, received_at=datetime.now(UTC), identities=identities, are_new=self._are_new)
        outcomes, self._are_new = await connections.carry_out(transactions, connection)
        ingest_stats.count(sent, outcomes)
        self._have_written = IngestOutcome.ACCEPTED in outcomes
        if self._have_written:
            self._notifier.notify()
        return outcomes


def _in_turn(waiting: list[WaitingRequest]) -> list[WaitingRequest]:
    """Return requests in the order of the events that wait before them under their own App Key."""
    before: dict[int, int] = {}  # events, by App Key
    places = []
    for request in waiting:
        app_key_id = request.sent[0][0].id
        places.append(before.get(app_key_id, 0))
        before[app_key_id] = places[-1] + len(request.sent)
    return [request for _, request in sorted(zip(places, waiting, strict=True), key=itemgetter(0))]


def _answer(group: list[WaitingRequest], answers: list[list[IngestOutcome] | Exception]) -> None:
    for request, answer in zip(group, answers, strict=True):
        try:
            request.done(answer)
        except Exception:  # the other requests must be answered
            logger.exception("group commit: a sender could not be answered")


class CorrelationNotifier:
    """A thread that tells correlation about new events: the first time at once, then after a pause.

    Pages show no more than five changes per second, and a message per group would cost more than the group.
    """

    PAUSE_SECONDS = 0.2

    def __init__(self) -> None:
        self._has_work = threading.Event()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="group-commit-notifier", daemon=True)
        self._thread.start()

    def notify(self) -> None:
        self._has_work.set()

    def stop(self) -> None:
        """Send a last message and end the thread."""
        self._is_stopping = True
        self._has_work.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._has_work.wait()
            self._has_work.clear()
            try:
                request_correlation()
            except Exception as error:  # noqa: BLE001 - each transport has errors of its own
                logger.warning("group commit: the broker is away (%s), the sweep will find the work", error)
            close_old_connections()
            if self._is_stopping:
                return
            time.sleep(self.PAUSE_SECONDS)
