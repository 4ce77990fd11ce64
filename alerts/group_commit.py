"""Group commit: requests that arrive while a write runs are written together by the next one (engine.md, Ingest).

No timer: a lone request never waits.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from dataclasses import dataclass

from django.db import close_old_connections, connection
from django.utils import timezone

from alerts.events import IncomingEvent
from alerts.ingest import Outcome, ingest, say_there_is_work
from appkeys.models import AppKey

logger = logging.getLogger(__name__)
GROUP = 2_000  # events
BELL_SECONDS = 0.05


@dataclass(slots=True, eq=False)
class Waiting:
    """One request: what it sent, and the future that its outcomes, or the error that kept them from being stored, go to."""

    sent: list[tuple[AppKey, IncomingEvent]]
    future: asyncio.Future[list[Outcome] | Exception]


class GroupCommit:
    """One writer in a thread of its own, with its own connection. Events of one identity are stored in the order they were handed over."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()  # None: the end
        self._work = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._is_closed = False
        self._threads = [
            threading.Thread(target=target, name=f"group-commit{target.__name__}", daemon=True)
            for target in (self._write, self._ring)
        ]
        for thread in self._threads:
            thread.start()

    async def store(self, sent: list[tuple[AppKey, IncomingEvent]]) -> list[Outcome]:
        """Returns when the events are committed. Raises what kept them from it."""
        waiting = Waiting(sent, self._loop.create_future())
        self._waiting.put(waiting)
        outcome = await waiting.future
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def close(self) -> None:
        """Store what was handed over, say so, and end both threads with their connections. Nothing may be handed over after this."""
        self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _write(self) -> None:
        while group := self._next_group():
            try:
                answers = self._store_group(group)
            except Exception as error:  # whatever it is, each request must be answered
                logger.exception("group commit: %d requests could not be stored", len(group))
                answers = [error] * len(group)
            self._loop.call_soon_threadsafe(_answer, group, answers)
        connection.close()
        self._is_closed = True
        self._work.set()

    def _next_group(self) -> list[Waiting]:
        """Empty at the end."""
        waiting = self._waiting.get()
        group: list[Waiting] = []
        size = 0
        while waiting is not None:
            group.append(waiting)
            size += len(waiting.sent)
            if size >= GROUP:
                return group
            try:
                waiting = self._waiting.get_nowait()
            except queue.Empty:
                return group
        if group:
            self._waiting.put(None)  # the end comes after this group
        return group

    def _store_group(self, group: list[Waiting]) -> list[list[Outcome] | Exception]:
        """One look-up, one write, one commit for all; where that fails, each request by itself, so that a bad one fails alone."""
        together = [each for waiting in group for each in waiting.sent]
        try:
            outcomes = ingest(together, received_at=timezone.now(), announce=self._work.set)
        except Exception as error:  # noqa: BLE001
            connection.close()  # it may be what is broken
            if len(group) == 1:
                return [error]
            logger.warning(
                "group commit: a group of %d failed (%s), each request is tried by itself",
                len(group),
                type(error).__name__,
            )
            return [answer for waiting in group for answer in self._store_group([waiting])]
        answers: list[list[Outcome] | Exception] = []
        start = 0
        for waiting in group:
            answers.append(outcomes[start : start + len(waiting.sent)])
            start += len(waiting.sent)
        return answers

    def _ring(self) -> None:
        """Say that there is work: at once, and then no oftener than a page could show. A message for each group would cost more than the group."""
        while True:
            self._work.wait()
            self._work.clear()
            try:
                say_there_is_work()
            except Exception as error:  # noqa: BLE001 - each transport has errors of its own
                logger.warning("group commit: the broker is away (%s), the sweep will find the work", error)
            close_old_connections()
            if self._is_closed:
                return
            time.sleep(BELL_SECONDS)


def _answer(group: list[Waiting], answers: list[list[Outcome] | Exception]) -> None:
    for waiting, answer in zip(group, answers, strict=True):
        if not waiting.future.done():  # the sender may have gone
            waiting.future.set_result(answer)
