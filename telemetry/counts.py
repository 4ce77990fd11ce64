"""Counts of this process in memory, which cost next to nothing. `telemetry.publisher` adds them to the database."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable

LEAST_WAIT = 0.01  # seconds
_lock = threading.Lock()
_counts: Counter[str] = Counter()
_ticks: dict[str, float] = {}
_gauges: dict[str, Callable[[], float]] = {}
_histograms: list[Histogram] = []


def count(name: str, by: float = 1) -> None:
    """Add to a count. Its name has the labels as Prometheus writes them: `events_total{outcome="accepted"}`."""
    with _lock:
        _counts[name] += by  # type: ignore[assignment] # sums of seconds are counts too


def note_lock_wait(seconds: float) -> None:
    """Count a wait for a lock. A shorter one than LEAST_WAIT is the time that taking a free lock needs."""
    if seconds > LEAST_WAIT:
        count("console_lock_waits_total")
        count("console_lock_wait_seconds_total", seconds)


def tick(name: str) -> None:
    """Note that a loop of this process has just done its work."""
    _ticks[name] = time.time()


def gauge(name: str, read: Callable[[], float]) -> None:
    """Publish what a function returns, from now on."""
    _gauges[name] = read


class Histogram:
    """Durations, counted by their length. The limits of the buckets are in seconds."""

    def __init__(self, name: str, limits: tuple[float, ...]) -> None:
        self.name, self.limits = name, limits
        self._buckets = [0] * (len(limits) + 1)
        self._sum = 0.0
        _histograms.append(self)

    def observe(self, durations: Iterable[float]) -> None:
        with _lock:
            for seconds in durations:
                self._buckets[bisect_left(self.limits, seconds)] += 1
                self._sum += seconds

    def _drain(self) -> dict[str, float]:
        buckets, self._buckets = self._buckets, [0] * len(self._buckets)
        seconds, self._sum = self._sum, 0.0
        changes: dict[str, float] = {}
        total = 0
        for limit, number in zip([*map("{:g}".format, self.limits), "+Inf"], buckets, strict=True):
            total += number
            changes[f'{self.name}_bucket{{le="{limit}"}}'] = total
        return {**changes, f"{self.name}_count": total, f"{self.name}_sum": seconds} if total else {}


accept_seconds = Histogram(
    "console_accept_seconds", (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
)


def drain() -> dict[str, float]:
    """Return what was counted since the last call."""
    with _lock:
        changes: dict[str, float] = dict(_counts)
        _counts.clear()
        for histogram in _histograms:
            changes |= histogram._drain()
    return changes


def give_back(changes: dict[str, float]) -> None:
    """Take back what could not be written."""
    with _lock:
        _counts.update(changes)


def measured() -> dict[str, float]:
    """Return the gauges and the ticks of this process by name."""
    return {**{name: read() for name, read in _gauges.items()}, **_ticks}
