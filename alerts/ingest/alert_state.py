"""An alert as a plain value while events are applied to it, with what must be written afterwards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from alerts.events import IncomingEvent, Note
from alerts.ingest.projection import NO_TAGS, LogLine, Projection, begin, project
from alerts.models import Event, time_ordered_key

NOTES_LIMIT = 20


class NewAlert(NamedTuple):
    """The first alert of an identity, while it has one event without notes.

    The rows of the alert and of its event are written from these fields (`alerts.ingest.store`). In a storm almost
    every alert stays in this short form.
    """

    pk: int  # of the alert, and of the line in its log
    app_key_pk: int
    identity: str  # in hexadecimal
    identifier: str
    status: int
    tags: str  # as JSON
    content: str  # in hexadecimal
    occurred_at: datetime
    primary_property: str
    secondary_property: str
    received_at: datetime

    @classmethod
    def of(cls, app_key_pk: int, identity: str, event: IncomingEvent, received_at: datetime) -> NewAlert:
        return cls(
            time_ordered_key(),
            app_key_pk,
            identity,
            event.identifier,
            event.status,
            event.tags_text,
            event.content,
            event.occurred_at or received_at,
            event.primary_property,
            event.secondary_property,
            received_at,
        )

    def state(self) -> AlertState:
        """Return the full form, for a further event."""
        line = LogLine(self.pk, self.status, self.tags, self.content, self.occurred_at, self.received_at)
        return AlertState(
            pk=self.pk,
            app_key_pk=self.app_key_pk,
            identity=self.identity,
            identifier=self.identifier,
            life=1,
            primary_property=self.primary_property,
            secondary_property=self.secondary_property,
            projection=begin(line),
            new_lines=[line],
            is_changed=True,
        )


@dataclass(slots=True, eq=False)
class AlertState:
    """An `Alert` as a plain value, with the lines that are new in its log."""

    pk: int
    app_key_pk: int
    identity: str  # in hexadecimal
    identifier: str
    life: int
    primary_property: str
    secondary_property: str
    projection: Projection
    notes: str = "[]"  # as JSON
    is_current: bool = True
    seen_revision: int = 0  # as read from the database; 0 for an alert that is not stored yet
    new_lines: list[LogLine] = field(default_factory=list)
    log: list[LogLine] | None = None  # the whole log, once it is read for a late event
    is_changed: bool = False
    correlated_revision: int | None = None  # set by a manual change, which updates the counts of the incident itself

    @classmethod
    def begin(
        cls,
        app_key_pk: int,
        identity: str,
        event: IncomingEvent,
        received_at: datetime,
        *,
        after: AlertState | None = None,
    ) -> AlertState:
        """Return a new alert from its first event.

        `after` is the former alert of the same identity, which stops being current.
        """
        alert = NewAlert.of(app_key_pk, identity, event, received_at).state()
        alert.notes = _joined("[]", event.notes)
        if after:
            after.is_current, after.is_changed = False, True
            alert.life = after.life + 1
        return alert

    def is_late(self, event: IncomingEvent) -> bool:
        """Return whether the event is older than the newest known event. Applying a late event needs the whole log."""
        newest = self.projection
        return (
            event.occurred_at is not None
            and event.occurred_at <= newest.last_event_at
            and not event.repeats(newest.last_content, newest.last_event_at)
        )

    def apply(self, event: IncomingEvent, received_at: datetime) -> bool:
        """Apply a further event. Return False for a duplicate, which changes nothing (docs/wire-contract.md §3.2).

        An event with a timestamp is a duplicate of any stored event with the same timestamp and content. An event
        without a timestamp is a duplicate of the newest event with the same content. The newest event decides the
        state. A late event joins the history, and the projection is computed again from the log.
        """
        newest_at = self.projection.last_event_at
        if event.repeats(self.projection.last_content, newest_at):
            return False
        # An event without a timestamp happens when it is received, and never before an event that is already known.
        at = event.occurred_at or max(received_at, newest_at)
        if self.is_late(event) and any(
            line.occurred_at == at and line.content == event.content for line in self.log or ()
        ):
            return False
        line = LogLine(time_ordered_key(), event.status, event.tags_text, event.content, at, received_at)
        self.add(line)
        if at >= newest_at:
            self.projection.apply(line)
            if event.primary_property:  # empty where the event names its alert by identifier alone
                self.primary_property, self.secondary_property = event.primary_property, event.secondary_property
        else:
            self.projection = project(self.log or ())
        self.notes = _joined(self.notes, event.notes)
        return True

    def resolve(self, at: datetime, *, activity: int) -> None:
        """End the alert manually, at the earliest at the time of its newest event: a sender's clock may be ahead."""
        moment = max(at, self.projection.last_event_at)
        kind = Event.Kind.RESOLVE.value
        line = LogLine(time_ordered_key(), 0, NO_TAGS, None, moment, at, kind=kind, activity=activity)
        self.add(line)
        self.projection.apply(line)

    def add(self, line: LogLine) -> None:
        """Add a line to the log, without applying it."""
        self.new_lines.append(line)
        if self.log is not None:
            self.log.append(line)
        self.is_changed = True


def _joined(known: str, new: Sequence[Note]) -> str:
    """Return the notes of an alert as JSON: each note once, the newest last."""
    if not new:
        return known
    fresh = [str(note) for note in new]
    return json.dumps([*(note for note in json.loads(known) if note not in fresh), *fresh][-NOTES_LIMIT:])
