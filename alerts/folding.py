"""What an alert is now: the fold of its log in order of time (engine.md, Identity, dedup, order). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from alerts.events import Status, Tags
from alerts.models import Event


@dataclass(slots=True)
class Folded:
    """The state that a log comes to. Times are those of the events, not of their receipt."""

    status: Status
    severity: Status  # the worst it ever was; OK for one that never was active
    tags: Tags
    started_at: datetime  # of the first active event, or of the first event where none was active
    changed_at: datetime  # of the last change of status
    ended_at: datetime | None  # of the last change to OK
    last_event: Event

    def follow(self, event: Event) -> None:
        """Take in the event that comes next in time."""
        status = Status(event.status)
        if status != self.status:
            if self.severity == Status.OK:
                self.started_at = event.occurred_at
            self.changed_at = event.occurred_at
            self.ended_at = event.occurred_at if status == Status.OK else None
        self.status = status
        self.severity = max(self.severity, status)
        self.tags = self.tags | event.tags
        self.last_event = event


def fold(log: Iterable[Event]) -> Folded:
    """Fold events of one alert, in any order, to its state. At the same time, the one stored later counts as the newer one.

    1. Leave out manual resolves that were undone, and the undoing itself.
    2. Take the events in order of their time.
    3. The newest decides the status; of each tag, the newest event that names it decides the value.
    """
    log = list(log)
    undone = {event.undoes for event in log}
    counted = [event for event in log if event.kind != Event.Kind.UNDO and event.pk not in undone]
    counted.sort(key=lambda event: (event.occurred_at, event.pk))
    folded = begin(counted[0])
    for event in counted[1:]:
        folded.follow(event)
    return folded


def begin(event: Event) -> Folded:
    """The state after a first event."""
    status = Status(event.status)
    at = event.occurred_at
    return Folded(status, status, dict(event.tags), at, at, at if status == Status.OK else None, event)
