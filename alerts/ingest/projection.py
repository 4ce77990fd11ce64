"""What an alert is now: the fold of its log in order of time (docs/how-it-works.md §2.3). Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from alerts.events import encode_tags
from alerts.models import Event

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OK = 0  # Status.OK as it stands in rows: an enumeration's comparisons would cost more than all else here
NO_TAGS = "{}"
CHANGES_KEPT = 20  # of an alert's changes of status, for what flaps


@dataclass(slots=True)
class LogLine:
    """One line of the log: an `Event` as a plain value."""

    pk: int
    status: int
    tags: str  # as JSON
    content: str | None  # fingerprint, in hexadecimal; None for a line made by hand
    occurred_at: datetime
    received_at: datetime
    kind: int = Event.Kind.SENT.value
    undoes: int | None = None
    activity: int | None = None


@dataclass(slots=True)
class Projection:
    """The state that a log comes to. Times are those of the events, not of their receipt."""

    status: int
    severity: int  # the worst it ever was; OK for one that never was active
    tags: str  # as JSON
    started_at: datetime  # of the first active event, or of the first event where none was active
    changed_at: datetime  # of the last change of status
    ended_at: datetime | None  # of the last change to OK
    last_event_at: datetime
    last_content: str | None
    status_changes: str = "[]"  # their latest times, as JSON, in microseconds since 1970

    def apply(self, line: LogLine) -> None:
        """Take in the line that comes next in time."""
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
    """Since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def begin(line: LogLine) -> Projection:
    """The state after a first line."""
    at = line.occurred_at
    return Projection(line.status, line.status, line.tags, at, at, None if line.status else at, at, line.content)


def project(log: Iterable[LogLine]) -> Projection:
    """Fold the lines of one alert, in any order, to its state. At the same time, the one stored later counts as the newer one.

    1. Leave out manual resolves that were undone, and the undoing itself.
    2. Take the lines in order of their time.
    3. The newest decides the status; of each tag, the newest line that names it decides the value.
    """
    log = list(log)
    undone = {line.undoes for line in log}
    counted = [line for line in log if line.kind != Event.Kind.UNDO and line.pk not in undone]
    counted.sort(key=lambda line: (line.occurred_at, line.pk))
    projection = begin(counted[0])
    for line in counted[1:]:
        projection.apply(line)
    return projection
