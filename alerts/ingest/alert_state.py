"""One alert while events are applied to it: what it is now, and what must be written."""

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
    """An identity's first alert while one event, with nothing repaired in it, is all there is of it: what its rows are written from.

    Made into a life only where more comes to it; in a storm that is hardly ever.
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
    received_at: datetime  # one time for all that are written together

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

    def life(self) -> AlertState:
        line = LogLine(self.pk, self.status, self.tags, self.content, self.occurred_at, self.received_at)
        return AlertState(
            *(self.pk, self.app_key_pk, self.identity, self.identifier, 1, self.primary_property),
            self.secondary_property,
            begin(line),
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
    seen_revision: int = 0  # as read from the database; 0 for an alert that is not there yet
    new_lines: list[LogLine] = field(default_factory=list)
    log: list[LogLine] | None = None  # all its lines, read when one comes late
    is_changed: bool = False
    correlated_revision: int | None = None  # set by who changes it by hand and counts it into its incident as well

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
        """A new alert from its first event, after the former life of the same identity, if there was one."""
        life = NewAlert.of(app_key_pk, identity, event, received_at).life()
        life.notes = _joined("[]", event.notes)
        if after:
            after.is_current, after.is_changed = False, True
            life.life = after.life + 1
        return life

    def is_late(self, event: IncomingEvent) -> bool:
        """Whether its place is before what is known, so that the log must be at hand to take it."""
        newest = self.projection
        return (
            event.occurred_at is not None
            and event.occurred_at <= newest.last_event_at
            and not event.repeats(newest.last_content, newest.last_event_at)
        )

    def take(self, event: IncomingEvent, received_at: datetime) -> bool:
        """Take a further event; False when it is a duplicate, and nothing changed (docs/wire-contract.md §3.2, docs/how-it-works.md §2.2).

        With a time of its own, it is a duplicate of any stored event with that time and content; without one, of the newest event with that content.
        The newest event decides; a late one joins the history, and the state is folded again from the log.
        """
        newest_at = self.projection.last_event_at
        if event.repeats(self.projection.last_content, newest_at):
            return False
        # Without a time of its own an event happens at its receipt, and never before what is known already.
        at = event.occurred_at or max(received_at, newest_at)
        if self.is_late(event) and any(
            line.occurred_at == at and line.content == event.content for line in self.log or ()
        ):
            return False
        line = _line(event, at, received_at)
        self.add(line)
        if at >= newest_at:
            self.projection.apply(line)
            if event.primary_property:  # else it only follows, by its identifier
                self.primary_property, self.secondary_property = event.primary_property, event.secondary_property
        else:
            self.projection = project(self.log or ())
        self.notes = _joined(self.notes, event.notes)
        return True

    def resolve(self, at: datetime, *, activity: int) -> None:
        """End it by hand. Never earlier than what is known already: a sender's clock may be ahead of ours."""
        moment = max(at, self.projection.last_event_at)
        line = LogLine(
            time_ordered_key(), 0, NO_TAGS, None, moment, at, kind=Event.Kind.RESOLVE.value, activity=activity
        )
        self.add(line)
        self.projection.apply(line)

    def undo_resolve(self, resolved: LogLine, at: datetime) -> None:
        """Take a manual resolve back: the alert is again what its senders say, also what they said since. Needs the log."""
        kind, activity = Event.Kind.UNDO.value, resolved.activity
        self.add(
            LogLine(time_ordered_key(), 0, NO_TAGS, None, at, at, kind=kind, undoes=resolved.pk, activity=activity)
        )
        self.projection = project(self.log or ())

    def add(self, line: LogLine) -> None:
        self.new_lines.append(line)
        if self.log is not None:
            self.log.append(line)
        self.is_changed = True


def _line(event: IncomingEvent, occurred_at: datetime, received_at: datetime) -> LogLine:
    return LogLine(time_ordered_key(), event.status, event.tags_text, event.content, occurred_at, received_at)


def _joined(known: str, new: Sequence[Note]) -> str:
    """An alert's notes, as JSON, with the new ones, each once, the newest last."""
    if not new:
        return known
    fresh = [str(note) for note in new]
    return json.dumps([*(note for note in json.loads(known) if note not in fresh), *fresh][-NOTES_LIMIT:])
