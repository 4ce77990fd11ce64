"""The alerts that wait for correlation, and since when (docs/monitoring.md).

When the oldest waits for longer than BEHIND_AFTER, every page says so. The database is asked, not the broker or a
worker, because these may be what has stopped.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Min, QuerySet
from django.utils import timezone

from alerts.models import Alert, Event, made_at

BEHIND_AFTER = timedelta(seconds=30)
COUNTED = 10_000  # alerts; counting more of them takes long, and nobody needs the number
OLDEST_FIRST = 100  # alerts that correlation takes next, of which the events are read
KNOWN_FOR = 10.0  # seconds; a web process looks more often than that


@dataclass(frozen=True)
class Backlog:
    """The number of alerts that wait, up to COUNTED, and the time at which the oldest waiting event was received."""

    waiting: int = 0
    since: datetime | None = None

    @property
    def age(self) -> timedelta:
        return max(timedelta(0), timezone.now() - self.since) if self.since else timedelta(0)

    @property
    def is_behind(self) -> bool:
        return self.age > BEHIND_AFTER

    @property
    def is_counted_in_full(self) -> bool:
        return self.waiting < COUNTED


_known: Backlog | None = None  # as a web process that looks all the time saw it
_known_at = 0.0


def behind() -> QuerySet[Alert]:
    return Alert.objects.filter(revision__gt=F("correlated_revision"))


def read() -> Backlog:
    """Read the backlog from the index of alerts that are behind."""
    # Correlation takes alerts by key, which is the time of the first event. So the oldest event belongs to one of the
    # first alerts, or is the first event of an alert.
    first = list(behind().order_by("pk").values_list("pk", flat=True)[:OLDEST_FIRST])
    if not first:
        return Backlog()
    waiting = behind().order_by()[:COUNTED].count()
    oldest: datetime | None = Event.objects.filter(
        alert__in=first, revision__gt=F("alert__correlated_revision")
    ).aggregate(at=Min("received_at"))["at"]
    new = behind().filter(correlated_revision=0).order_by("pk").values_list("pk", flat=True).first()
    times = [at for at in (oldest, made_at(new) if new else None) if at is not None]
    return Backlog(waiting, min(times, default=None))


def look() -> Backlog:
    """Read the backlog, and remember it for the pages of this process."""
    global _known, _known_at
    _known = read()
    _known_at = time.monotonic()
    return _known


def current() -> Backlog:
    """Return the backlog as this process saw it seconds ago, or read it where nothing looks."""
    return _known if _known and time.monotonic() - _known_at < KNOWN_FOR else read()
