"""Buffers in memory, written to the database every few seconds by a background thread.

A buffer is for data beside the events, such as counts. A process that is killed loses the items of its last seconds.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from django.db import Error, close_old_connections

from db import outage

logger = logging.getLogger(__name__)
FLUSH_SECONDS = 2.0

Item = TypeVar("Item")
Total = TypeVar("Total")


class BackgroundBuffer(Generic[Item, Total]):
    """Collector of items, which are added up to a total. A flush writes the total and begins an empty one.

    A buffer that has no running BackgroundWriter writes each item at once. Any thread may add items.
    """

    def __init__(
        self,
        name: str,
        *,
        empty: Callable[[], Total],
        add_up: Callable[[Total, list[Item]], object],
        write: Callable[[Total], object],
        add_up_at: float = math.inf,
        limit: float = math.inf,
    ) -> None:
        """Keep items until their sizes reach `add_up_at`, or until a flush. Drop items beyond the size `limit`."""
        self.name = name
        self._empty, self._add_up, self._write = empty, add_up, write
        self._add_up_at, self._limit = add_up_at, limit
        self._lock = threading.Lock()
        self._items: list[Item] = []
        self._size = 0  # of the items that wait
        self._total: Total | None = None
        self.is_in_background = False

    def add(self, item: Item, size: int = 1) -> None:
        with self._lock:
            if self._size > self._limit:
                return
            self._items.append(item)
            self._size += size
            if self._size >= self._add_up_at:
                self._add_up_items()
        if not self.is_in_background:
            self.flush()

    def flush(self) -> None:
        """Write the total of the items since the last flush. The items are lost where the database is away."""
        with self._lock:
            if self._items:
                self._add_up_items()
            total, self._total = self._total, None
        if total is None:
            return
        try:
            self._write(total)
        except Error as error:
            outage.note(error)
            logger.warning("%s: the items of the last seconds are lost: %s", self.name, error)

    def _add_up_items(self) -> None:
        if self._total is None:
            self._total = self._empty()
        items, self._items, self._size = self._items, [], 0
        self._add_up(self._total, items)


class BackgroundWriter:
    """A thread that flushes buffers every FLUSH_SECONDS."""

    def __init__(self, *buffers: BackgroundBuffer[Any, Any]) -> None:
        self._buffers = buffers
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="background-writer", daemon=True)

    def start(self) -> None:
        for buffer in self._buffers:
            buffer.is_in_background = True
        self._thread.start()

    def stop(self) -> None:
        """Write what the buffers still hold, and end the thread."""
        for buffer in self._buffers:
            buffer.is_in_background = False
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._stopping.wait(FLUSH_SECONDS)
            for buffer in self._buffers:
                buffer.flush()
            close_old_connections()
