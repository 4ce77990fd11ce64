"""One incident while alerts are counted into it: its status, counts, times and titles follow from them, in the order they come."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from alerts.events import Status
from alerts.models import Alert
from incidents.correlation import Decision
from incidents.models import Activity, Incident, Matcher
from people.models import User

NAMES_LIMIT = 10
# fmt: off
ROLLED_UP = (
    "status", "severity", "title", "subtitle", "search_text", "alerts_count", "active_count", "status_counts", "sources", "names",
    "shared_tags", "started_at", "changed_at", "resolved_at", "resolved_by",
)
# fmt: on


@dataclass(slots=True, eq=False)
class Gathering:
    incident: Incident
    matchers: list[Matcher] = field(default_factory=list)  # in the patterns' order
    follows: Incident | None = None
    activities: list[Activity] = field(default_factory=list)
    joined: list[Alert] = field(default_factory=list)

    @classmethod
    def opened_by(cls, alert: Alert, decision: Decision, *, follows: Incident | None, at: datetime) -> Self:
        """A new incident from its first alert, ready for others that match what it matches."""
        incident = Incident(started_at=alert.started_at, changed_at=alert.changed_at)
        matchers = [
            Matcher(
                incident=incident,
                pattern_id=match.pattern.pk,
                version=match.pattern.version,
                key=match.key,
                values=[[tag, value] for tag, value in match.values.items()],
                time_window=int(match.pattern.time_window.total_seconds() // 60),
                anchor_at=alert.started_at,
            )
            for match in decision.matches
        ]
        gathering = cls(incident, matchers, follows)
        gathering.note(Activity.Kind.CREATED, at, alert=alert.pk, identifier=alert.identifier)
        gathering._count_in(alert)
        return gathering

    def leads(self, key: UUID, at: datetime) -> bool:
        """Whether an alert that started then, with this key, may join: all its alerts have that key, and it was open at that time.

        By the alerts' own time, so that it makes no difference how late correlation comes to see them. What a person resolved takes no more.
        """
        incident = self.incident
        was_open = incident.resolved_at is None or (incident.resolved_by is None and at < incident.resolved_at)
        return was_open and any(matcher.key == key and matcher.valid for matcher in self.matchers)

    def join(self, alert: Alert, decision: Decision) -> None:
        """Take in an alert; from now on only what it matches too stays valid."""
        keys = {match.key for match in decision.matches}
        for matcher in self.matchers:
            if matcher.key not in keys:
                matcher.valid = matcher.open = False
        self.joined.append(alert)
        self._count_in(alert)

    def _count_in(self, alert: Alert) -> None:
        incident = self.incident
        if alert.app_key.name not in incident.sources:
            incident.sources = [*incident.sources, alert.app_key.name]
        incident.alerts_count += 1
        incident.changed_at = max(incident.changed_at, alert.changed_at)
        self.follow(alert)

    def follow(self, alert: Alert) -> None:
        """Count an alert of the incident as it is now."""
        incident = self.incident
        counts = list(incident.status_counts)
        if alert.counted_status is not None:
            counts[alert.counted_status] -= 1
        counts[alert.status] += 1
        if alert.counted_status not in (None, alert.status):
            incident.changed_at = max(incident.changed_at, alert.changed_at)
        alert.counted_status = alert.status
        incident.status_counts = counts
        incident.active_count = incident.alerts_count - counts[Status.OK]
        incident.status = max(status for status in Status if counts[status])
        # A status that came and went before it was looked at still was there.
        if incident.alerts_count == 1:
            incident.severity, incident.started_at, incident.shared_tags = (
                alert.severity,
                alert.started_at,
                dict(alert.tags),
            )
        else:
            incident.severity = max(incident.severity, alert.severity)
            incident.started_at = min(incident.started_at, alert.started_at)
            incident.shared_tags = {
                name: value for name, value in incident.shared_tags.items() if alert.tags.get(name) == value
            }
        incident.names = [
            _with(alert.primary_value, incident.names[0]),
            _with(alert.secondary_value, incident.names[1]),
        ]
        self._entitle(alert)

    def settle(self, alert: Alert, at: datetime) -> None:
        """Resolve the incident when its last active alert has ended, reopen it when one is active again."""
        incident = self.incident
        if incident.active_count == 0 and incident.is_open:
            self.resolve(alert.changed_at)
            self.note(Activity.Kind.RESOLVED_BY_ALERTS, at, alert=alert.pk, identifier=alert.identifier)
        elif incident.active_count == 0:
            incident.resolved_at = max(incident.resolved_at or alert.changed_at, alert.changed_at)
        elif not incident.is_open:
            self.reopen()
            self.note(Activity.Kind.REOPENED, at, alert=alert.pk, identifier=alert.identifier)

    def resolve(self, at: datetime, *, by: User | None = None) -> None:
        self.incident.resolved_at, self.incident.resolved_by = at, by
        for matcher in self.matchers:
            matcher.open = False

    def reopen(self) -> None:
        self.incident.resolved_at = self.incident.resolved_by = None
        for matcher in self.matchers:
            matcher.open = matcher.valid

    def note(self, kind: Activity.Kind, at: datetime, **details: Any) -> None:
        self.activities.append(Activity(incident=self.incident, kind=kind, at=at, details=details))

    def note_joined(self, at: datetime) -> None:
        """One line for all that joined in one go."""
        if self.joined:
            names = [alert.identifier for alert in self.joined[:NAMES_LIMIT]]
            self.note(Activity.Kind.ALERTS_JOINED, at, count=len(self.joined), identifiers=names)

    def _entitle(self, alert: Alert) -> None:
        """One alert: primary value, then secondary value. Several: what they share, then what differs (bigpanda.md §3.2)."""
        incident = self.incident
        primaries, secondaries = incident.names
        if incident.alerts_count == 1:
            incident.title, incident.subtitle = alert.primary_value, alert.secondary_value
        else:
            if shared := next((matcher for matcher in self.matchers if matcher.valid), None):
                incident.title = " · ".join(shared.shared_values)
            incident.subtitle = listed(primaries if len(primaries) > 1 else secondaries)
        incident.search_text = "\n".join(
            (incident.title, incident.subtitle, *primaries, *secondaries, *incident.sources)
        ).casefold()


def _with(value: str, names: list[str]) -> list[str]:
    return names if not value or value in names or len(names) == NAMES_LIMIT else [*names, value]


def listed(names: list[str]) -> str:
    """The first three names and how many more."""
    if len(names) <= 4:
        return ", ".join(names)
    more = f"{len(names) - 3} more" if len(names) < NAMES_LIMIT else f"{NAMES_LIMIT - 3} or more others"
    return f"{', '.join(names[:3])} and {more}"
