"""One incident while alerts are counted into it: its status, counts, times and titles follow from them, in the order they come.

What people grouped by hand stays so: an alert that has an incident is only ever followed there, never placed again. An incident leads further
alerts to it by its valid matchers, and by nothing else. So where alerts are put together by hand, the matchers that came along lead to where they
are now (`brought_from`), each line of them narrowed only by alerts that come by it; and where alerts are taken out, the matchers stay with the
incident they were taken from, unless it no longer has an alert that matches, and they are the only ones that do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from django.conf import settings

from alerts.events import Status, Tags, shown
from alerts.ingest.alert_state import AlertState
from alerts.ingest.flapping import changes_since, flaps_until
from alerts.ingest.projection import EPOCH
from alerts.models import Alert
from appkeys.models import AppKey
from incidents.correlation.decide import CorrelationSubject, Decision
from incidents.correlation.matchers import MatcherRow, save_matchers
from incidents.models import Activity, Incident, Maintenance, no_counts, no_names
from people.models import User

NAMES_LIMIT = 10
# fmt: off
ROLLUP_FIELDS = (
    "status", "severity", "title", "subtitle", "alerts_count", "active_count", "status_counts",
    "maintenance_counts", "maintenance", "sources", "names", "shared_tags",
    "started_at", "changed_at", "resolved_at", "resolved_by", "flapping", "flapping_until", "flapping_changes",
)
# fmt: on
HANDLING_FIELDS = ("acknowledged_by", "acknowledged_at", "snoozed_by", "snoozed_until", "wakes_on_update")


@dataclass(slots=True, eq=False)
class AlertSnapshot:
    """An alert as correlation sees it: as its events up to one revision fold to."""

    pk: int
    identifier: str
    source: str  # the source system of its App Key
    integration: str  # the name of its App Key
    status: int
    severity: int
    tags: Tags
    primary_value: str
    secondary_value: str
    started_at: datetime
    changed_at: datetime
    status_changes: list[int]
    revision: int
    correlated_revision: int = 0  # the one it was seen in before
    incident_id: int | None = None
    counted_status: int | None = None
    maintenance_plan_id: int | None = None
    counted_in_maintenance: bool = False
    search_text: str = ""
    decision: dict[str, Any] | None = None

    @classmethod
    def of(cls, alert: Alert) -> Self:
        """The alert as it is now."""
        return cls(
            alert.pk,
            alert.identifier,
            alert.app_key.source_system,
            alert.app_key.name,
            alert.status,
            alert.severity,
            alert.tags,
            alert.primary_value,
            alert.secondary_value,
            alert.started_at,
            alert.changed_at,
            alert.status_changes,
            alert.revision,
            alert.correlated_revision,
            alert.incident_id,
            alert.counted_status,
            alert.maintenance_plan_id,
            alert.maintenance_plan_id is not None,
        )

    @classmethod
    def of_life(cls, life: AlertState, app_key: AppKey, *, counted_status: int | None, plan: int | None) -> Self:
        """The alert as a person changes it."""
        projection, tags = life.projection, json.loads(life.projection.tags)
        return cls(
            life.pk,
            life.identifier,
            app_key.source_system,
            app_key.name,
            projection.status,
            projection.severity,
            tags,
            shown(tags.get(life.primary_property, "")),
            shown(tags.get(life.secondary_property, "")),
            projection.started_at,
            projection.changed_at,
            json.loads(projection.status_changes),
            life.seen_revision + 1,
            counted_status=counted_status,
            maintenance_plan_id=plan,
            counted_in_maintenance=plan is not None,
        )

    @classmethod
    def unread(cls, pk: int, identifier: str, app_key: AppKey) -> Self:
        """An alert of which nothing was looked at yet."""
        source = app_key.source_system, app_key.name
        return cls(pk, identifier, *source, Status.OK, Status.OK, {}, "", "", EPOCH, EPOCH, [], 0)

    @property
    def subject(self) -> CorrelationSubject:
        return CorrelationSubject(self.source, self.tags, self.started_at, self.status)

    @property
    def is_in_maintenance(self) -> bool:
        return self.maintenance_plan_id is not None

    @property
    def needs_incident(self) -> bool:
        """Whether it was active, if only in passing, and has none."""
        return self.incident_id is None and self.severity != Status.OK


@dataclass(slots=True, eq=False)
class IncidentRollup:
    incident: Incident
    matchers: list[MatcherRow] = field(default_factory=list)  # in the patterns' order
    follows: Incident | None = None
    activities: list[Activity] = field(default_factory=list)
    joined: list[AlertSnapshot] = field(default_factory=list)
    matchers_changed: bool = False
    got_worse: bool = False
    handling_changed: bool = False  # what a person had set ended by itself
    reopened: bool = False

    @classmethod
    def opened_by(cls, alert: AlertSnapshot, decision: Decision, *, follows: Incident | None, at: datetime) -> Self:
        """A new incident from its first alert, ready for others that match what it matches."""
        incident = Incident(started_at=alert.started_at, changed_at=alert.changed_at, first_alert=alert.pk)
        matchers = [
            MatcherRow(
                match.pattern.pk,
                match.pattern.version,
                match.key,
                match.any_source_key,
                source_system="" if match.pattern.cross_source else alert.source,
                values=list(zip(match.pattern.tags, match.values, strict=True)),
                time_window=int(match.pattern.time_window.total_seconds() // 60),
                anchor_at=alert.started_at,
            )
            for match in decision.matches
        ]
        rollup = cls(incident, matchers, follows, matchers_changed=True)
        rollup.record(Activity.Kind.CREATED, at, alert=alert.pk, identifier=alert.identifier)
        rollup._count_in(alert)
        return rollup

    def leading(self, key: str) -> MatcherRow | None:
        """The valid matcher by which alerts with this key come here."""
        return next(
            (each for each in self.matchers if each.valid and key in (each.key, each.any_source_key)),
            None,
        )

    def was_open(self, at: datetime) -> bool:
        """Whether an alert that started then may still join.

        By the alerts' own time, so that it makes no difference how late correlation comes to see them. What a person resolved takes no more.
        """
        incident = self.incident
        return incident.resolved_at is None or (incident.resolved_by_id is None and at < incident.resolved_at)

    def join(self, alert: AlertSnapshot, decision: Decision) -> None:
        """Take in an alert; of the matchers that came with the one it joins by, only those it matches too stay valid."""
        leading = self.leading(decision.winner.key) if decision.winner else None
        beside = [
            each
            for each in self.matchers
            if leading and each.valid and each is not leading and each.brought_from_id == leading.brought_from_id
        ]
        # Where a look at the values rules them all out, no further pattern is asked.
        may_match = any(each.has_values_of(alert.tags) for each in beside)
        keys = {match.key for match in decision.matches} if may_match else set()
        for lead in beside:
            if lead.key not in keys:
                lead.valid = lead.open = False
                lead.narrowed_at = self.incident.alerts_count + 1
                self.matchers_changed = True
        self.joined.append(alert)
        self._count_in(alert)

    def _count_in(self, alert: AlertSnapshot) -> None:
        incident = self.incident
        if alert.integration not in incident.sources:
            incident.sources = [*incident.sources, alert.integration]
        incident.alerts_count += 1
        if not alert.is_in_maintenance:
            incident.changed_at = max(incident.changed_at, alert.changed_at)
        self.update(alert)

    def update(self, alert: AlertSnapshot) -> None:
        """Count an alert of the incident as it is now.

        A late event may have moved the alert's start back. The incident's start is the earliest of its alerts. Where it is the first alert's,
        the windows move with it: they count for alerts that come from now on, nobody who is in leaves. Status, severity and last change do not
        follow alerts in maintenance; the incident still is open while they are active.
        """
        incident = self.incident
        if alert.pk == incident.first_alert:
            self._anchor_at(alert.started_at)
        is_known = alert.counted_status is not None
        is_other = alert.counted_status != alert.status or alert.counted_in_maintenance
        if is_known and is_other and not alert.is_in_maintenance:
            incident.changed_at = max(incident.changed_at, alert.changed_at)
        counts = self._recount(alert)
        incident.active_count = incident.alerts_count - counts[Status.OK]
        expected = incident.maintenance_counts
        status = max((status for status in Status if counts[status] > expected[status]), default=Status.OK)
        self.got_worse = self.got_worse or status > incident.status
        incident.status = status
        # A status that came and went before it was looked at still was there.
        severity = Status.OK if alert.is_in_maintenance else alert.severity
        if incident.alerts_count == 1:
            incident.severity, incident.started_at, incident.shared_tags = severity, alert.started_at, dict(alert.tags)
        else:
            incident.severity = max(incident.severity, severity)
            incident.started_at = min(incident.started_at, alert.started_at)
            incident.shared_tags = {
                name: value for name, value in incident.shared_tags.items() if alert.tags.get(name) == value
            }
        incident.names = [
            _with(alert.primary_value, incident.names[0]),
            _with(alert.secondary_value, incident.names[1]),
        ]
        self._entitle(alert)

    def _recount(self, alert: AlertSnapshot) -> list[int]:
        """Count it as it is now where it was counted as it was; returns the alerts by status."""
        incident = self.incident
        counts = list(incident.status_counts)
        if alert.counted_status is not None:
            counts[alert.counted_status] -= 1
        counts[alert.status] += 1
        if alert.is_in_maintenance or alert.counted_in_maintenance or incident.maintenance:
            expected = list(incident.maintenance_counts)
            if alert.counted_status is not None and alert.counted_in_maintenance:
                expected[alert.counted_status] -= 1
            if alert.is_in_maintenance:
                expected[alert.status] += 1
            firing, silent = sum(counts[Status.OK + 1 :]), sum(expected[Status.OK + 1 :])
            some_or_all = Maintenance.ACTIVE if silent == firing else Maintenance.PARTIAL
            incident.maintenance = some_or_all if silent else Maintenance.NONE
            incident.maintenance_counts = expected
        incident.status_counts = counts
        alert.counted_status, alert.counted_in_maintenance = alert.status, alert.is_in_maintenance
        return counts

    def recount(self, alerts: Sequence[AlertSnapshot], at: datetime) -> None:
        """Count the incident from nothing, after alerts were put into it or taken out by hand; without any it is over."""
        incident = self.incident
        incident.alerts_count, incident.active_count, incident.status_counts = 0, 0, no_counts()
        incident.maintenance, incident.maintenance_counts = Maintenance.NONE, no_counts()
        self._flap_anew(alerts, at)
        if not alerts:
            incident.status = Status.OK
            self.resolve(at)
            return
        incident.sources, incident.names = [], no_names()
        for alert in alerts:
            alert.counted_status = None
            self._count_in(alert)
        self.got_worse = False  # it is what it was, only with other alerts
        self.settle(max(alerts, key=lambda alert: alert.changed_at), at)

    def set_title(self, title: str) -> None:
        """Name it otherwise than after what its alerts share; it stays so while no matcher says otherwise."""
        self.incident.title = title

    def _anchor_at(self, start: datetime) -> None:
        for matcher in self.matchers:
            if matcher.brought_from_id is None and matcher.anchor_at != start:
                matcher.anchor_at = start
                self.matchers_changed = True

    def settle(self, alert: AlertSnapshot, at: datetime) -> None:
        """Resolve the incident when its last active alert has ended, reopen it when one is active again; begin to flap with the alert."""
        incident = self.incident
        self.end_flapping(at)
        if not alert.is_in_maintenance:
            self._flap(alert, at)
        if incident.active_count == 0 and incident.is_open:
            self.resolve(alert.changed_at)
            self.record(Activity.Kind.RESOLVED_BY_ALERTS, at, alert=alert.pk, identifier=alert.identifier)
        elif incident.active_count == 0:
            if incident.resolved_by_id is None:  # a person resolved it when they did
                incident.resolved_at = max(incident.resolved_at or alert.changed_at, alert.changed_at)
        elif not incident.is_open:
            self.reopen()
            told = {"acknowledged": True} if incident.acknowledged_at else {}
            self.record(Activity.Kind.REOPENED, at, alert=alert.pk, identifier=alert.identifier, **told)
            self._wake("reopened", at)
            self._unacknowledge()
        if any(not each.is_in_maintenance for each in self.joined):
            self._wake("alert", at)
        elif self.got_worse:
            self._wake("worse", at)

    def resolve(self, at: datetime, *, by: User | None = None) -> None:
        self.incident.resolved_at, self.incident.resolved_by = at, by
        for matcher in self.matchers:
            matcher.open = False
        self.matchers_changed = True

    def reopen(self) -> None:
        self.reopened = True
        self.incident.resolved_at = self.incident.resolved_by = None
        for matcher in self.matchers:
            matcher.open = matcher.valid
        self.matchers_changed = True

    def _wake(self, why: str, at: datetime) -> None:
        """End a snooze that was to last until something changes (docs/wire-contract.md §5.2)."""
        incident = self.incident
        if incident.snoozed_until and incident.wakes_on_update:
            incident.snoozed_until = incident.snoozed_by = None
            incident.wakes_on_update = False
            self.handling_changed = True
            self.record(Activity.Kind.UNSNOOZED, at, why=why)

    def _unacknowledge(self) -> None:
        """What somebody has seen was the trouble before; this is another one."""
        if self.incident.acknowledged_at:
            self.incident.acknowledged_at = self.incident.acknowledged_by = None
            self.handling_changed = True

    def _flap(self, alert: AlertSnapshot, at: datetime) -> None:
        until = flaps_until(alert.status_changes)
        if until is None or until <= at:
            return
        incident, changes = self.incident, changes_since(alert.status_changes, at - settings.FLAPPING_WINDOW)
        if not incident.flapping:
            details = {"alert": alert.pk, "identifier": alert.identifier, "changes": changes}
            self.record(Activity.Kind.BEGAN_TO_FLAP, at, **details)
        incident.flapping = True
        incident.flapping_changes = max(incident.flapping_changes, changes)
        incident.flapping_until = max(incident.flapping_until or until, until)

    def _flap_anew(self, alerts: Iterable[AlertSnapshot], at: datetime) -> None:
        """Flap with those of these alerts that do, and not with one that has left."""
        incident = self.incident
        incident.flapping_until, incident.flapping_changes = None, 0
        for alert in alerts:
            if not alert.is_in_maintenance:
                self._flap(alert, at)
        if incident.flapping and incident.flapping_until is None:
            self.record(Activity.Kind.STOPPED_FLAPPING, at)
            incident.flapping = False

    def end_flapping(self, at: datetime) -> bool:
        """Stop flapping where that has ended by then; it ends by itself, whenever that is noticed."""
        incident = self.incident
        if not incident.flapping or incident.flapping_until is None or incident.flapping_until > at:
            return False
        self.record(Activity.Kind.STOPPED_FLAPPING, incident.flapping_until)
        incident.flapping, incident.flapping_until, incident.flapping_changes = False, None, 0
        return True

    def record(self, kind: Activity.Kind, at: datetime, **details: Any) -> None:
        self.activities.append(Activity(incident=self.incident, kind=kind, at=at, details=details))

    def record_joined(self, at: datetime) -> None:
        """One line for all that joined in one go."""
        if self.joined:
            names = [alert.identifier for alert in self.joined[:NAMES_LIMIT]]
            self.record(Activity.Kind.ALERTS_JOINED, at, count=len(self.joined), identifiers=names)

    def _entitle(self, alert: AlertSnapshot) -> None:
        """One alert: primary value, then secondary value. Several: what they share, then what differs (docs/wire-contract.md §4.2)."""
        incident = self.incident
        primaries, secondaries = incident.names
        if incident.alerts_count == 1:
            incident.title, incident.subtitle = alert.primary_value, alert.secondary_value
        else:
            # What it was opened by names it before what was brought in.
            valid = sorted(
                (each for each in self.matchers if each.valid), key=lambda each: each.brought_from_id is not None
            )
            if valid:
                incident.title = " · ".join(valid[0].shared_values)
            incident.subtitle = listed(primaries if len(primaries) > 1 else secondaries)


def _with(value: str, names: list[str]) -> list[str]:
    return names if not value or value in names or len(names) == NAMES_LIMIT else [*names, value]


def listed(names: list[str]) -> str:
    """The first three names and how many more."""
    if len(names) <= 4:
        return ", ".join(names)
    more = f"{len(names) - 3} more" if len(names) < NAMES_LIMIT else f"{NAMES_LIMIT - 3} or more others"
    return f"{', '.join(names[:3])} and {more}"


def write_matchers(rollups: Iterable[IncidentRollup]) -> None:
    """Write the matchers of incidents that are written already."""
    changed = []
    for rollup in rollups:
        for lead in rollup.matchers:
            lead.incident_id = rollup.incident.pk
            changed.append(lead)
    save_matchers(changed)
