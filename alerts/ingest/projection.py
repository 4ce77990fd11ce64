"""The projection of an alert: status, tags and times, computed from the log in order of time. Pure.

docs/how-it-works.md §2.3 has the rules.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from alerts.events import encode_tags
from alerts.models import Event

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OK = 0  # Status.OK as rows store it: comparing members of the enumeration would cost more than the rest of a projection
NO_TAGS = "{}"
CHANGES_KEPT = 20  # of the times of status changes, for flapping


@dataclass(slots=True)
class LogLine:
    """An `Event` as a plain value."""

    pk: int
    status: int
    tags: str  # as JSON
    content: str | None  # fingerprint in hexadecimal; None for a manual change
    occurred_at: datetime
    received_at: datetime
    kind: int = Event.Kind.SENT.value
    undoes: int | None = None
    activity: int | None = None


@dataclass(slots=True)
class Projection:
    """The state that results from a log. Times are the events' own, not those of their receipt.

    The fields are named like the columns of the alert (`alerts.ingest.store`).
    """

    status: int
    severity: int  # the most severe status so far; OK for an alert that was never active
    tags: str  # as JSON
    started_at: datetime  # time of the first active event, or of the first event while none was active
    changed_at: datetime  # time of the last change of status
    ended_at: datetime | None  # time of the last change to OK; None while active
    last_event_at: datetime
    last_content: str | None
    status_changes: str = "[]"  # the latest times of status changes, as JSON, in microseconds since 1970

    def apply(self, line: LogLine) -> None:
        """Apply the line that comes next in order of time."""
        if line.status != self.status:
            if self.severity == OK:
                self.started_at = line.occurred_at
            self.changed_at = line.occurred_at
            changes = [*json.loads(self.status_changes), microseconds(line.occurred_at)]
            self.status_changes = json.dumps(changes[-CHANGES_KEPT:])
            self.ended_at = line.occurred_at if line.status == OK else None
            self.status = line.status
            self.severity = max(self.severity, line.status)
        if line.tags not in (NO_TAGS, self.tags):
            self.tags = encode_tags(json.loads(self.tags) | json.loads(line.tags))
        self.last_event_at, self.last_content = line.occurred_at, line.content


def microseconds(moment: datetime) -> int:
    """Return the microseconds from 1970 to a moment."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def begin(line: LogLine) -> Projection:
    """Return the projection of a log with one line."""
    at = line.occurred_at
    return Projection(line.status, line.status, line.tags, at, at, None if line.status else at, at, line.content)


def project(log: Iterable[LogLine]) -> Projection:
    """Return the projection of the lines of one alert, given in any order.

    Of lines with the same time, the one stored later is newer.

    1. Leave out manual resolves that were undone, and the lines that undo them.
    2. Apply the lines in order of time.
    3. The newest line decides the status. The newest line that names a tag decides the value of the tag.
    """
    log = list(log)
    undone = {line.undoes for line in log}
    counted = [line for line in log if line.kind != Event.Kind.UNDO and line.pk not in undone]
    counted.sort(key=lambda line: (line.occurred_at, line.pk))
    projection = begin(counted[0])
    for line in counted[1:]:
        projection.apply(line)
    return projection
