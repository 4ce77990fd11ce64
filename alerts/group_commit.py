"""Group commit: requests that arrive while a write runs are written together by the next one (engine.md, Ingest).

No timer: a lone request never waits. No thread either: all runs on the loop that reads the requests.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from dataclasses import dataclass

from django.db import close_old_connections
from django.utils import timezone

from alerts import connections, counting
from alerts.events import IncomingEvent
from alerts.ingest import Outcome, say_there_is_work, taking
from appkeys.models import AppKey

logger = logging.getLogger(__name__)
GROUP = 2_000  # events


@dataclass(slots=True, eq=False)
class Waiting:
    """One request: what it sent, and the future that its outcomes, or the error that kept them from being stored, go to."""

    sent: list[tuple[AppKey, IncomingEvent]]
    future: asyncio.Future[list[Outcome] | Exception]


class Closed(Exception):
    """Nothing is taken any more; who comes now asks door 1."""


class GroupCommit:
    """One writer, with a connection of its own. Events of one identity are stored in the order they were handed over."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = connections.own()
        self._bell = Bell()
        self._waiting: list[Waiting] = []
        self._writer: asyncio.Task[None] | None = None
        self._is_closed = False
        self._are_new = True  # whether the last group was new as a whole; the next one is probably like it

    async def store(self, sent: list[tuple[AppKey, IncomingEvent]]) -> list[Outcome]:
        """Returns when the events are committed. Raises what kept them from it."""
        if self._is_closed:
            raise Closed
        waiting = Waiting(sent, self._loop.create_future())
        self._waiting.append(waiting)
        if self._writer is None:
            self._writer = self._loop.create_task(self._write())
        outcome = await waiting.future
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def close(self) -> None:
        """Store what was handed over, say so, and let the connection go. Nothing is taken after this."""
        self._is_closed = True
        if self._writer:
            await self._writer
        self._connection.close()
        await asyncio.to_thread(self._bell.stop)

    async def _write(self) -> None:
        while group := self._next_group():
            try:
                answers = await self._store_group(group)
            except Exception as error:  # whatever it is, each request must be answered
                logger.exception("group commit: %d requests could not be stored", len(group))
                answers = [error] * len(group)
            for waiting, answer in zip(group, answers, strict=True):
                if not waiting.future.done():  # the sender may have gone
                    waiting.future.set_result(answer)
        self._writer = None

    def _next_group(self) -> list[Waiting]:
        """Those who came first, up to a group's size; empty when nobody waits."""
        count = size = 0
        for waiting in self._waiting:
            count, size = count + 1, size + len(waiting.sent)
            if size >= GROUP:
                break
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        return group

    async def _store_group(self, group: list[Waiting]) -> list[list[Outcome] | Exception]:
        """One look-up, one write, one commit for all; where that fails, each request by itself, so that a bad one fails alone."""
        together = [each for waiting in group for each in waiting.sent]
        try:
            outcomes = await self._take(together)
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
            return [answer for waiting in group for answer in await self._store_group([waiting])]
        answers: list[list[Outcome] | Exception] = []
        start = 0
        for waiting in group:
            answers.append(outcomes[start : start + len(waiting.sent)])
            start += len(waiting.sent)
        return answers

    async def _take(self, sent: list[tuple[AppKey, IncomingEvent]]) -> list[Outcome]:
        steps = taking(sent, received_at=timezone.now(), are_new=self._are_new)
        outcomes, self._are_new = await connections.carry_out(steps, self._connection)
        counting.count(sent, outcomes)
        if Outcome.ACCEPTED in outcomes:
            self._bell.ring()
        return outcomes


class Bell:
    """Says that there is work: at once, and then no oftener than a page could show. A message for each group would cost more than the group."""

    PAUSE_SECONDS = 0.05

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
                say_there_is_work()
            except Exception as error:  # noqa: BLE001 - each transport has errors of its own
                logger.warning("group commit: the broker is away (%s), the sweep will find the work", error)
            close_old_connections()
            if self._is_stopping:
                return
            time.sleep(self.PAUSE_SECONDS)
