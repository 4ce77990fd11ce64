"""The rollup of one incident: counts, status, times and titles that follow from its alerts (docs/how-it-works.md §4.3).

Correlation and actions read incidents as `IncidentRollup`, count alerts as `AlertSnapshot`, and write all incidents
with `save_rollups`.

An alert that has an incident is only updated there, so a grouping that a person made stands. The valid matchers decide
which further alerts join (docs/how-it-works.md §8.2). A merge brings matchers along (`brought_from`), and an alert that
joins narrows only the matchers that came together with the one it joined through.
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
from db import bulk
from incidents.correlation.decide import CorrelationSubject, Decision, DecisionData
from incidents.correlation.matchers import MatcherRow, save_matchers
from incidents.models import Activity, Incident, Maintenance, no_counts, no_names
from people.models import User

NAMES_LIMIT = 10
# fmt: off
_ROLLUP_FIELDS = (
    "status", "severity", "title", "subtitle", "alerts_count", "active_count", "status_counts",
    "maintenance_counts", "maintenance", "sources", "names", "shared_tags",
    "started_at", "changed_at", "resolved_at", "resolved_by", "flapping", "flapping_until", "flapping_changes",
)
# fmt: on
_HANDLING_FIELDS = ("acknowledged_by", "acknowledged_at", "snoozed_by", "snoozed_until", "wakes_on_update")


@dataclass(slots=True, eq=False)
class AlertSnapshot:
    """An alert as correlation sees it: the projection of its log up to one revision.

    The snapshot also has how the incident counted the alert before.
    """

    pk: int
    identifier: str
    source: str  # source system of its App Key
    integration: str  # name of its App Key
    status: int
    severity: int
    tags: Tags
    primary_value: str
    secondary_value: str
    started_at: datetime
    changed_at: datetime
    status_changes: list[int]  # microseconds since 1970
    revision: int
    correlated_revision: int = 0  # the revision that correlation saw before
    incident_id: int | None = None
    counted_status: int | None = None  # the status under which the incident counts the alert; None if it does not yet
    maintenance_plan_id: int | None = None
    counted_in_maintenance: bool = False
    search_text: str = ""
    decision: DecisionData | None = None

    @classmethod
    def of(cls, alert: Alert) -> Self:
        """Return the snapshot of a stored alert."""
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
    def of_state(cls, state: AlertState, app_key: AppKey, *, counted_status: int | None, plan: int | None) -> Self:
        """Return the snapshot of an alert that an action changes, in the revision that the action writes."""
        projection, tags = state.projection, json.loads(state.projection.tags)
        return cls(
            state.pk,
            state.identifier,
            app_key.source_system,
            app_key.name,
            projection.status,
            projection.severity,
            tags,
            shown(tags.get(state.primary_property, "")),
            shown(tags.get(state.secondary_property, "")),
            projection.started_at,
            projection.changed_at,
            json.loads(projection.status_changes),
            state.seen_revision + 1,
            counted_status=counted_status,
            maintenance_plan_id=plan,
            counted_in_maintenance=plan is not None,
        )

    @classmethod
    def unread(cls, pk: int, identifier: str, app_key: AppKey) -> Self:
        """Return the snapshot of an alert before the first event of its log."""
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
        """Return whether the alert has no incident, and was active at least for a moment."""
        return self.incident_id is None and self.severity != Status.OK


@dataclass(slots=True, eq=False)
class IncidentRollup:
    """An incident with its matchers while alerts are counted into it, and what is to be written of it."""

    incident: Incident
    matchers: list[MatcherRow] = field(default_factory=list)  # in the patterns' order
    follows: Incident | None = None  # the full incident that this new one follows
    activities: list[Activity] = field(default_factory=list)  # not yet written
    joined: list[AlertSnapshot] = field(default_factory=list)
    matchers_changed: bool = False
    got_worse: bool = False
    handling_changed: bool = False  # an acknowledgement or a snooze ended
    reopened: bool = False

    @classmethod
    def opened_by(cls, alert: AlertSnapshot, decision: Decision, *, follows: Incident | None, at: datetime) -> Self:
        """Return a new incident with its first alert, and with a matcher for each pattern that the alert matches."""
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
        rollup._add(alert)
        return rollup

    # --- joining

    def matcher_for(self, key: str) -> MatcherRow | None:
        """Return the valid matcher through which alerts with this key join."""
        return next(
            (each for each in self.matchers if each.valid and key in (each.key, each.any_source_key)),
            None,
        )

    def was_open(self, at: datetime) -> bool:
        """Return whether an alert that started at this time may still join.

        The comparison uses the alerts' own times, so the delay of correlation makes no difference. An incident that a
        person resolved accepts no alerts.
        """
        incident = self.incident
        return incident.resolved_at is None or (incident.resolved_by_id is None and at < incident.resolved_at)

    def join(self, alert: AlertSnapshot, decision: Decision) -> None:
        """Add an alert, and invalidate matchers that the alert does not match.

        Only matchers that came together with the matcher of the winning pattern are invalidated.
        """
        winner = self.matcher_for(decision.winner.key) if decision.winner else None
        beside = [
            each
            for each in self.matchers
            if winner and each.valid and each is not winner and each.brought_from_id == winner.brought_from_id
        ]
        # If the alert has the values of none of these matchers, the decision need not evaluate further patterns.
        may_match = any(each.has_values_of(alert.tags) for each in beside)
        keys = {match.key for match in decision.matches} if may_match else set()
        for matcher in beside:
            if matcher.key not in keys:
                matcher.valid = matcher.open = False
                matcher.narrowed_at = self.incident.alerts_count + 1
                self.matchers_changed = True
        self.joined.append(alert)
        self._add(alert)

    # --- counting

    def update(self, alert: AlertSnapshot) -> None:
        """Count an alert of the incident as the alert is now.

        1. If a late event moved the start of the first alert, move the windows of the matchers with it. No alert leaves
           the incident.
        2. Move the alert to its present status, and derive the incident's status and severity.
        3. Extend the incident's time back to the alert's start.
        4. Keep only the tags that this alert shares.
        5. Name the incident.
        """
        incident = self.incident
        if alert.pk == incident.first_alert:
            self._move_anchor(alert.started_at)
        self._update_status(alert)
        is_only = incident.alerts_count == 1
        incident.started_at = alert.started_at if is_only else min(incident.started_at, alert.started_at)
        self._update_shared_tags(alert)
        self._update_titles(alert)

    def recount(self, alerts: Sequence[AlertSnapshot], at: datetime) -> None:
        """Count the incident from zero after an action moved alerts into the incident or out of it.

        An incident without alerts is resolved.
        """
        incident = self.incident
        incident.alerts_count, incident.active_count, incident.status_counts = 0, 0, no_counts()
        incident.maintenance, incident.maintenance_counts = Maintenance.NONE, no_counts()
        self._recompute_flapping(alerts, at)
        if not alerts:
            incident.status = Status.OK
            self.resolve(at)
            return
        incident.sources, incident.names = [], no_names()
        for alert in alerts:
            alert.counted_status = None
            self._add(alert)
        self.got_worse = False  # a regrouping is no worsening that could end a snooze
        self.settle(max(alerts, key=lambda alert: alert.changed_at), at)

    def _add(self, alert: AlertSnapshot) -> None:
        incident = self.incident
        if alert.integration not in incident.sources:
            incident.sources = [*incident.sources, alert.integration]
        incident.alerts_count += 1
        if not alert.is_in_maintenance:
            incident.changed_at = max(incident.changed_at, alert.changed_at)
        self.update(alert)

    def _move_anchor(self, start: datetime) -> None:
        for matcher in self.matchers:
            if matcher.brought_from_id is None and matcher.anchor_at != start:
                matcher.anchor_at = start
                self.matchers_changed = True

    def _update_status(self, alert: AlertSnapshot) -> None:
        """Derive status, severity and last change from the counts. Alerts in maintenance count only as active."""
        incident = self.incident
        was_counted = alert.counted_status is not None
        has_changed = alert.counted_status != alert.status or alert.counted_in_maintenance
        if was_counted and has_changed and not alert.is_in_maintenance:
            incident.changed_at = max(incident.changed_at, alert.changed_at)
        self._move_counts(alert)
        counts, expected = incident.status_counts, incident.maintenance_counts
        incident.active_count = incident.alerts_count - counts[Status.OK]
        status = max((status for status in Status if counts[status] > expected[status]), default=Status.OK)
        self.got_worse = self.got_worse or status > incident.status
        incident.status = status
        # The alert's severity, because the alert may have been worse than now since correlation saw it last.
        severity = Status.OK if alert.is_in_maintenance else alert.severity
        incident.severity = severity if incident.alerts_count == 1 else max(incident.severity, severity)

    def _move_counts(self, alert: AlertSnapshot) -> None:
        """Move the alert from its old status count to the new one."""
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
            active, silent = sum(counts[Status.OK + 1 :]), sum(expected[Status.OK + 1 :])
            some_or_all = Maintenance.ACTIVE if silent == active else Maintenance.PARTIAL
            incident.maintenance = some_or_all if silent else Maintenance.NONE
            incident.maintenance_counts = expected
        incident.status_counts = counts
        alert.counted_status, alert.counted_in_maintenance = alert.status, alert.is_in_maintenance

    def _update_shared_tags(self, alert: AlertSnapshot) -> None:
        incident, tags = self.incident, alert.tags
        if incident.alerts_count == 1:
            incident.shared_tags = dict(tags)
        else:
            shared = incident.shared_tags.items()
            incident.shared_tags = {name: value for name, value in shared if tags.get(name) == value}

    def set_title(self, title: str) -> None:
        """Give the incident a title of its own. The title stays until a valid matcher gives another one."""
        self.incident.title = title

    def _update_titles(self, alert: AlertSnapshot) -> None:
        """Set title and subtitle (docs/wire-contract.md §4.2).

        A single alert gives its primary and secondary value. Several alerts give the values that they share, and what
        differs.
        """
        incident = self.incident
        primaries, secondaries = incident.names
        primaries, secondaries = (
            _extended(primaries, alert.primary_value),
            _extended(secondaries, alert.secondary_value),
        )
        incident.names = [primaries, secondaries]
        if incident.alerts_count == 1:
            incident.title, incident.subtitle = alert.primary_value, alert.secondary_value
            return
        valid = [each for each in self.matchers if each.valid]
        if valid:
            # A matcher that the incident was opened with gives the title before one that a merge brought.
            first = min(valid, key=lambda each: each.brought_from_id is not None)
            incident.title = " · ".join(first.shared_values)
        incident.subtitle = listed(primaries if len(primaries) > 1 else secondaries)

    # --- lifecycle

    def settle(self, alert: AlertSnapshot, at: datetime) -> None:
        """Let the incident follow from its counts after an alert was counted.

        1. Update flapping.
        2. Resolve the incident if its last active alert has ended, or reopen it if an alert is active again.
        3. End a snooze that lasts until an update.
        """
        incident = self.incident
        self.end_flapping(at)
        if not alert.is_in_maintenance:
            self._begin_flapping(alert, at)
        if incident.active_count == 0 and incident.is_open:
            self.resolve(alert.changed_at)
            self.record(Activity.Kind.RESOLVED_BY_ALERTS, at, alert=alert.pk, identifier=alert.identifier)
        elif incident.active_count == 0:
            if incident.resolved_by_id is None:  # a manual resolve keeps its own time
                incident.resolved_at = max(incident.resolved_at or alert.changed_at, alert.changed_at)
        elif not incident.is_open:
            self.reopen()
            acknowledged = {"acknowledged": True} if incident.acknowledged_at else {}
            self.record(Activity.Kind.REOPENED, at, alert=alert.pk, identifier=alert.identifier, **acknowledged)
            self._end_snooze("reopened", at)
            self._clear_acknowledgement()
        if any(not each.is_in_maintenance for each in self.joined):
            self._end_snooze("alert", at)
        elif self.got_worse:
            self._end_snooze("worse", at)

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

    def _end_snooze(self, why: str, at: datetime) -> None:
        """End a snooze that lasts until an update (docs/wire-contract.md §5.2).

        `why` is `reopened`, `alert` or `worse`.
        """
        incident = self.incident
        if incident.snoozed_until and incident.wakes_on_update:
            incident.snoozed_until = incident.snoozed_by = None
            incident.wakes_on_update = False
            self.handling_changed = True
            self.record(Activity.Kind.UNSNOOZED, at, why=why)

    def _clear_acknowledgement(self) -> None:
        """Clear the acknowledgement of the earlier outage."""
        if self.incident.acknowledged_at:
            self.incident.acknowledged_at = self.incident.acknowledged_by = None
            self.handling_changed = True

    # --- flapping

    def end_flapping(self, at: datetime) -> bool:
        """End flapping if its time is over at `at`, and return whether flapping ended.

        The activity has the time at which flapping was over, which may be earlier than `at`.
        """
        incident = self.incident
        if not incident.flapping or incident.flapping_until is None or incident.flapping_until > at:
            return False
        self.record(Activity.Kind.STOPPED_FLAPPING, incident.flapping_until)
        incident.flapping, incident.flapping_until, incident.flapping_changes = False, None, 0
        return True

    def _begin_flapping(self, alert: AlertSnapshot, at: datetime) -> None:
        """Let the incident flap, or flap longer, if the alert flaps."""
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

    def _recompute_flapping(self, alerts: Iterable[AlertSnapshot], at: datetime) -> None:
        """Let the incident flap only because of these alerts, and not because of an alert that left."""
        incident = self.incident
        incident.flapping_until, incident.flapping_changes = None, 0
        for alert in alerts:
            if not alert.is_in_maintenance:
                self._begin_flapping(alert, at)
        if incident.flapping and incident.flapping_until is None:
            self.record(Activity.Kind.STOPPED_FLAPPING, at)
            incident.flapping = False

    # --- activities

    def record(self, kind: Activity.Kind, at: datetime, **details: Any) -> None:
        self.activities.append(Activity(incident=self.incident, kind=kind, at=at, details=details))

    def record_joined(self, at: datetime) -> None:
        """Record one activity for all alerts that joined in one correlation batch."""
        if self.joined:
            names = [alert.identifier for alert in self.joined[:NAMES_LIMIT]]
            self.record(Activity.Kind.ALERTS_JOINED, at, count=len(self.joined), identifiers=names)


def _extended(names: list[str], value: str) -> list[str]:
    return names if not value or value in names or len(names) == NAMES_LIMIT else [*names, value]


def listed(names: list[str]) -> str:
    """Return the names as one text: up to four names, or the first three and the number of the others."""
    if len(names) <= 4:
        return ", ".join(names)
    more = f"{len(names) - 3} more" if len(names) < NAMES_LIMIT else f"{NAMES_LIMIT - 3} or more others"
    return f"{', '.join(names[:3])} and {more}"


def save_rollups(rollups: Iterable[IncidentRollup]) -> None:
    """Write incidents with their matchers and activities, each as a set. The caller holds the correlation lock.

    1. Write the columns of known incidents. Create new incidents, and then set their predecessors, which may be new as
       well.
    2. Write the matchers of incidents whose matchers changed.
    3. Create the activities.
    """
    rollups = list(rollups)
    known = [each for each in rollups if each.incident.pk is not None]
    new = [each for each in rollups if each.incident.pk is None]
    bulk.save([each.incident for each in known], _ROLLUP_FIELDS)
    bulk.save([each.incident for each in known if each.handling_changed], _HANDLING_FIELDS)
    bulk.create([each.incident for each in new])
    followers = [each for each in new if each.follows]
    for each in followers:
        each.incident.follows = each.follows
    bulk.save([each.incident for each in followers], ["follows"])
    rows = []
    for each in rollups:
        if each.matchers_changed:
            for row in each.matchers:
                row.incident_id = each.incident.pk
            rows += each.matchers
    save_matchers(rows)
    activities = [activity for each in rollups for activity in each.activities]
    for activity in activities:
        activity.incident_id = activity.incident.pk  # which a new incident did not have when the activity was recorded
    bulk.create(activities)
