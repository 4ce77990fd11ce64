"""The history of an alert: each event with the changes that it made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from alerts.events import Status, shown
from alerts.models import Event

NOTABLE_DELAY = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class TagChange:
    name: str
    before: str  # empty for a new tag
    after: str


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """An event with its changes against the event before it in order of time."""

    event: Event
    was: Status | None  # the former status; None at the first event and where the status stayed
    tags: tuple[TagChange, ...]
    is_first: bool

    @property
    def status(self) -> Status | None:
        """The status that the event set, or None for the undo of a resolve."""
        return None if self.event.kind == Event.Kind.UNDO else Status(self.event.status)

    @property
    def came_late(self) -> bool:
        """Return whether the time of receipt differs notably from the timestamp."""
        return abs(self.event.received_at - self.event.occurred_at) > NOTABLE_DELAY

    @property
    def says_nothing_new(self) -> bool:
        return not self.is_first and self.was is None and not self.tags and self.event.kind == Event.Kind.SENT


def history(events: Sequence[Event], *, is_complete: bool) -> Iterator[HistoryLine]:
    """Yield lines for events, the newest first. The last of incomplete events is only compared with, not shown."""
    for event, before in pairwise(events):
        yield _line(event, before)
    if events and is_complete:
        yield _line(events[-1], None)


def _line(event: Event, before: Event | None) -> HistoryLine:
    if before is None:
        return HistoryLine(event, None, (), is_first=True)
    was = Status(before.status) if event.kind != Event.Kind.UNDO and event.status != before.status else None
    changes = (
        TagChange(name, shown(before.tags.get(name, "")), shown(value))
        for name, value in event.tags.items()
        if before.tags.get(name) != value
    )
    return HistoryLine(event, was, tuple(changes) if before.kind == Event.Kind.SENT else (), is_first=False)
