"""One alert while events are applied to it: what it is now, and what must be written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self
from uuid import UUID

from alerts.events import IncomingEvent, Note, Status
from alerts.folding import Folded, begin, fold
from alerts.models import Alert, Event
from appkeys.models import AppKey

NOTES_LIMIT = 20
WRITTEN = (
    *("is_current", "status", "severity", "tags", "primary_property", "secondary_property", "notes"),
    *("started_at", "changed_at", "ended_at", "last_event_at", "last_content", "revision", "revised_by"),
)


@dataclass(slots=True, eq=False)
class Life:
    alert: Alert
    folded: Folded
    seen_revision: int = 0  # as read from the database; 0 for an alert that is not there yet
    new_events: list[Event] = field(default_factory=list)
    is_superseded: bool = False  # by a new life, begun in the same batch
    log: list[Event] | None = None  # all its events, read when one comes late

    @classmethod
    def of(cls, alert: Alert) -> Self:
        """An alert as it is in the database."""
        head = Event(status=alert.status, content=alert.last_content, occurred_at=alert.last_event_at)
        status, severity = Status(alert.status), Status(alert.severity)
        folded = Folded(status, severity, alert.tags, alert.started_at, alert.changed_at, alert.ended_at, head)
        return cls(alert, folded, seen_revision=alert.revision)

    @classmethod
    def begin(cls, app_key: AppKey, identity: UUID, event: IncomingEvent, received_at: datetime, *, after: Life | None) -> Self:
        """A new alert from its first event, after the former life of the same identity, if there was one."""
        alert = Alert(
            app_key=app_key,
            identity=identity,
            identifier=event.identifier,
            primary_property=event.primary_property,
            secondary_property=event.secondary_property,
            notes=[str(note) for note in event.notes],
        )
        if after:
            after.alert.is_current, after.is_superseded = False, True
            alert.life = after.alert.life + 1
        first = _stored(alert, event, event.occurred_at or received_at, received_at)
        return cls(alert, begin(first), new_events=[first])

    @property
    def started_at(self) -> datetime:
        return self.folded.started_at

    @property
    def ended_at(self) -> datetime | None:
        return self.folded.ended_at

    @property
    def last_event_at(self) -> datetime:
        return self.folded.last_event.occurred_at

    @property
    def is_changed(self) -> bool:
        return bool(self.new_events) or self.is_superseded

    def take(self, event: IncomingEvent, received_at: datetime) -> bool:
        """Take a further event; False when it is a duplicate, and nothing changed (bigpanda.md §2.2, engine.md).

        With a time of its own, it is a duplicate of any stored event with that time and content; without one, of the newest event with that content.
        The newest event decides; a late one joins the history, and the state is folded again from the log.
        """
        head = self.folded.last_event
        # Without a time of its own an event happens at its receipt, and never before what is known already.
        at = event.occurred_at or max(received_at, head.occurred_at)
        content = event.content
        if content == head.content and (event.occurred_at is None or at == head.occurred_at):
            return False
        is_timed_and_not_newer = event.occurred_at is not None and at <= head.occurred_at
        if is_timed_and_not_newer and any(line.occurred_at == at and line.content == content for line in self._read_log()):
            return False
        stored = _stored(self.alert, event, at, received_at)
        self.new_events.append(stored)
        if self.log is not None:
            self.log.append(stored)
        if at >= head.occurred_at:
            self.folded.follow(stored)
            self.alert.primary_property, self.alert.secondary_property = event.primary_property, event.secondary_property
        else:
            self.folded = fold(self._read_log())
        self.alert.notes = _joined(self.alert.notes, event.notes)
        return True

    def resolve(self, at: datetime, *, activity: int) -> None:
        """End it by hand. Never earlier than what is known already: a sender's clock may be ahead of ours."""
        at_or_after = max(at, self.last_event_at)
        line = Event(
            alert=self.alert,
            kind=Event.Kind.RESOLVE,
            status=Status.OK,
            occurred_at=at_or_after,
            received_at=at,
            activity=activity,
        )
        self.new_events.append(line)
        self.folded.follow(line)

    def undo_resolve(self, resolved: Event, at: datetime) -> None:
        """Take a manual resolve back: the alert is again what its senders say, also what they said since."""
        line = Event(
            alert=self.alert,
            kind=Event.Kind.UNDO,
            status=Status.OK,
            occurred_at=at,
            received_at=at,
            undoes=resolved.pk,
            activity=resolved.activity,
        )
        self.new_events.append(line)
        self.folded = fold([*(self.log or ()), line])

    def settled(self) -> Alert:
        """The alert with the folded state carried over, and correlation marked as behind."""
        alert, folded = self.alert, self.folded
        alert.status, alert.severity, alert.tags = folded.status, folded.severity, folded.tags
        alert.started_at, alert.changed_at, alert.ended_at = folded.started_at, folded.changed_at, folded.ended_at
        alert.last_event_at, alert.last_content = folded.last_event.occurred_at, folded.last_event.content
        alert.revision = self.seen_revision + 1
        if self.new_events:
            alert.revised_by = self.new_events[-1].pk
        return alert

    def update(self) -> bool:
        """Write the alert where it still is in the revision it was read in; False where another writer was first."""
        alert = self.settled()
        fields = {name: getattr(alert, name) for name in WRITTEN}
        return bool(Alert.objects.filter(pk=alert.pk, revision=self.seen_revision).update(**fields))

    def _read_log(self) -> list[Event]:
        if self.log is None:
            stored = Event.objects.filter(alert=self.alert) if self.seen_revision else Event.objects.none()
            self.log = [*stored, *self.new_events]
        return self.log


def _stored(alert: Alert, event: IncomingEvent, occurred_at: datetime, received_at: datetime) -> Event:
    return Event(
        alert=alert,
        status=event.status,
        tags=event.tags,
        content=event.content,
        occurred_at=occurred_at,
        received_at=received_at,
    )


def _joined(known: list[str], new: Iterable[Note]) -> list[str]:
    """An alert's notes with the new ones, each once, the newest last."""
    fresh = [str(note) for note in new]
    return [*(note for note in known if note not in fresh), *fresh][-NOTES_LIMIT:]
