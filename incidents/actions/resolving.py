"""Closing incidents by hand, and opening them again. Alerts are ended, and brought back, by lines in their own logs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Q

from alerts.events import Status
from alerts.ingest import store
from alerts.ingest.alert_state import AlertState
from alerts.ingest.projection import NO_TAGS, LogLine, project
from alerts.models import Alert, Event, time_ordered_key
from appkeys.models import AppKey
from incidents.actions.action import Action, Actor, Outcome, perform, perform_on
from incidents.actions.recount import rollups_of, save
from incidents.correlation import correlation_log
from incidents.correlation.rollup import AlertSnapshot, IncidentRollup
from incidents.models import Activity, Incident, Maintenance, Matcher, no_counts
from people.models import User


@dataclass(frozen=True)
class Resolve(Action):
    """Close an incident and end its active alerts; an event newer than this moment reopens it (docs/how-it-works.md §2.4).

    Undone, each alert it ended is again what its senders say, and the incident with them.
    """

    comment: str = ""

    kind = Activity.Kind.RESOLVED_BY_HAND
    columns = (
        *("status", "active_count", "status_counts", "maintenance_counts", "maintenance"),
        *("changed_at", "resolved_at", "resolved_by"),
    )
    restored = ("changed_at", "resolved_at", "resolved_by")
    changed_since = "The incident has reopened since: there is nothing to undo."

    @property
    def said(self) -> str:
        return self.comment

    def refusal(self, incident: Incident) -> str:
        return "" if incident.is_open else "The incident is resolved already."

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        ended = incident.active_count
        incident.status, incident.active_count = Status.OK, 0
        incident.status_counts = [incident.alerts_count, *no_counts()[1:]]
        incident.maintenance_counts = [sum(incident.maintenance_counts), *no_counts()[1:]]
        incident.maintenance = Maintenance.NONE
        incident.changed_at = incident.resolved_at = at
        incident.resolved_by = by
        return {"ended": ended}

    def carry_out(self, done: Mapping[int, Activity], at: datetime) -> None:
        alerts = _held(Q(incident__in=list(done)))
        lives = store.read([pk for pk, held in alerts.items() if held.status != Status.OK])
        for life in lives:
            held = alerts[life.pk]
            life.resolve(at, activity=done[held.incident].pk)
            # It is counted as ended; correlation has nothing left to do for it where it was up to date before.
            life.correlated_revision = held.correlated_revision + (held.correlated_revision == life.seen_revision)
        store.write(lives)
        # So are those that their senders have ended since correlation looked.
        ended = [pk for pk, held in alerts.items() if held.status == Status.OK != held.counted_status]
        Alert.objects.filter(pk__in=ended).update(counted_status=Status.OK)
        Matcher.objects.filter(incident__in=list(done), open=True).update(open=False)
        correlation_log.record_manual_change(done, at)

    @classmethod
    def undo_refusal(cls, incident: Incident, activity: Activity) -> str:
        is_as_left = incident.resolved_at and incident.resolved_at.isoformat() == activity.before["is"]["resolved_at"]
        return "" if is_as_left and incident.resolved_by_id else cls.changed_since

    @classmethod
    def carry_back(cls, undone: Mapping[int, Activity], incidents: Mapping[int, Incident], at: datetime) -> None:
        alerts = _held_current(incidents)
        rollups = rollups_of(incidents.values())
        _follow(rollups, alerts, _brought_back({activity.pk for activity in undone.values()}, alerts, at))
        for pk, rollup in rollups.items():
            if rollup.incident.active_count == 0 and undone[pk].details["ended"]:
                rollup.resolve(at)  # its senders have said ok meanwhile
            else:
                rollup.reopen()
        save(rollups)
        correlation_log.record_manual_change(rollups, at)


@dataclass(frozen=True)
class Reopen(Action):
    """Open it again: alerts that were ended by hand are what their senders say. It also opens where none of them fires."""

    comment: str = ""

    kind = Activity.Kind.REOPENED_BY_HAND
    columns = ("changed_at", "resolved_at", "resolved_by")
    changed_since = "The incident was resolved since: there is nothing to undo."

    @property
    def said(self) -> str:
        return self.comment

    def refusal(self, incident: Incident) -> str:
        return "The incident is open already." if incident.is_open else ""

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        incident.changed_at = at
        incident.resolved_at = incident.resolved_by = None
        return {}

    def carry_out(self, done: Mapping[int, Activity], at: datetime) -> None:
        alerts = _held_current(done)
        lives = []
        for life in _lives_with_logs(alerts):
            ended = max(_standing_resolves(life), key=_in_time, default=None)
            if ended and ended == max(life.log or (), key=_in_time):
                _bring_back(life, ended, at, activity=done[alerts[life.pk].incident].pk)
                lives.append(life)
        rollups = rollups_of(Incident.objects.filter(pk__in=list(done)))
        _follow(rollups, alerts, lives)
        for rollup in rollups.values():
            rollup.reopen()
        save(rollups)
        correlation_log.record_manual_change(rollups, at)

    @classmethod
    def undo_refusal(cls, incident: Incident, activity: Activity) -> str:
        return "" if incident.is_open else cls.changed_since

    @classmethod
    def carry_back(cls, undone: Mapping[int, Activity], incidents: Mapping[int, Incident], at: datetime) -> None:
        """An alert that has fired anew since keeps its incident open."""
        reopenings = {activity.pk for activity in undone.values()}
        alerts = _held_current(incidents)
        lives = []
        for life in _lives_with_logs(alerts):
            log = {line.pk: line for line in life.log or ()}
            brought_back = next((line for line in log.values() if _is_undo_by(line, reopenings)), None)
            if brought_back and brought_back.undoes:
                ended = log[brought_back.undoes]
                life.add(replace(ended, pk=time_ordered_key(), received_at=at))
                life.projection = project(life.log or ())
                lives.append(life)
        rollups = rollups_of(incidents.values())
        _follow(rollups, alerts, lives)
        for rollup in rollups.values():
            if rollup.incident.active_count:
                rollup.reopen()
            else:
                rollup.resolve(rollup.incident.resolved_at or at, by=rollup.incident.resolved_by)
        save(rollups)
        correlation_log.record_manual_change(rollups, at)


@dataclass(frozen=True)
class ResolveAlerts(Action):
    """End some alerts by hand and leave the others; an incident of which none is left active resolves with them (docs/wire-contract.md §8.2)."""

    alerts: tuple[int, ...]
    comment: str = ""

    kind = Activity.Kind.ALERTS_RESOLVED

    @property
    def said(self) -> str:
        return self.comment

    def refusal(self, incident: Incident) -> str:
        return "" if incident.is_open else "The incident is resolved already."

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        return {"ended": Alert.objects.filter(self._ended(), incident=incident).count()}

    def carry_out(self, done: Mapping[int, Activity], at: datetime) -> None:
        alerts = _held(self._ended() & Q(incident__in=list(done)))
        lives = store.read(list(alerts))
        for life in lives:
            life.resolve(at, activity=done[alerts[life.pk].incident].pk)
        _settle(Incident.objects.filter(pk__in=list(done)), alerts, lives, at)

    def _ended(self) -> Q:
        return Q(pk__in=self.alerts) & ~Q(status=Status.OK)

    @classmethod
    def carry_back(cls, undone: Mapping[int, Activity], incidents: Mapping[int, Incident], at: datetime) -> None:
        alerts = _held_current(incidents)
        _settle(incidents.values(), alerts, _brought_back({each.pk for each in undone.values()}, alerts, at), at)


def resolve_alerts(alerts: Iterable[int], *, by: User, comment: str = "") -> Outcome:
    """End those of these alerts that are active, wherever they are."""
    pks = tuple(alerts)
    active = Alert.objects.filter(pk__in=pks, incident__isnull=False).exclude(status=Status.OK)
    return perform_on(ResolveAlerts(pks, comment), set(active.values_list("incident", flat=True)), by=by)


def end_alerts(incident: Incident, *, by: Actor, comment: str = "") -> Activity:
    """End every active alert of an incident, which resolves with them. Raises InvalidTransition where it is resolved already.

    How a script resolves: to correlation it is as if the senders had said ok, for no person closed it (docs/wire-contract.md §8.3).
    """
    alerts = tuple(Alert.objects.filter(incident=incident).values_list("pk", flat=True))
    return perform(ResolveAlerts(alerts, comment), incident, by=by)


class _Held(NamedTuple):
    """How an alert stands in its incident, while nobody else changes it."""

    incident: int
    status: int
    counted_status: int | None
    correlated_revision: int
    plan: int | None  # by which it is in maintenance


def _held(found: Q) -> dict[int, _Held]:
    """These alerts of incidents, which nobody else changes until the transaction ends."""
    # Locked in order of the key, as ingest writes them, so that the two do not wait for each other.
    rows = Alert.objects.filter(found).select_for_update(of=("self",)).order_by("pk")
    columns = rows.values_list(
        "pk", "incident_id", "status", "counted_status", "correlated_revision", "maintenance_plan_id"
    )
    return {
        pk: _Held(incident or 0, status, counted, seen, plan) for pk, incident, status, counted, seen, plan in columns
    }


def _held_current(incidents: Iterable[int]) -> dict[int, _Held]:
    """The current lives of these incidents' alerts. A new life tells by itself how it is now."""
    return _held(Q(incident__in=list(incidents), is_current=True))


def _settle(incidents: Iterable[Incident], alerts: Mapping[int, _Held], lives: list[AlertState], at: datetime) -> None:
    """Count changed alerts, and let their incidents resolve or reopen by what came of it."""
    rollups = rollups_of(incidents)
    _follow(rollups, alerts, lives)
    for rollup in rollups.values():
        if rollup.incident.active_count and not rollup.incident.is_open:
            rollup.reopen()
        elif rollup.incident.active_count == 0 and rollup.incident.is_open:
            rollup.resolve(at)
    save(rollups)
    correlation_log.record_manual_change(rollups, at)


def _brought_back(activities: set[int], alerts: Iterable[int], at: datetime) -> list[AlertState]:
    """Those of the alerts that these activities ended, as their senders say again."""
    lives = []
    for life in _lives_with_logs(alerts):
        ended = next((line for line in _standing_resolves(life) if line.activity in activities), None)
        if ended:
            _bring_back(life, ended, at, activity=ended.activity)
            lives.append(life)
    return lives


def _lives_with_logs(alerts: Iterable[int]) -> list[AlertState]:
    lives = store.read(list(alerts))
    logs = store.read_logs([life.pk for life in lives])
    for life in lives:
        life.log = logs[life.pk]
    return lives


def _in_time(line: LogLine) -> tuple[datetime, int]:
    return line.occurred_at, line.pk


def _standing_resolves(life: AlertState) -> list[LogLine]:
    """The lines that end the alert by hand, without those that were undone."""
    log = life.log or []
    undone = {line.undoes for line in log}
    return [line for line in log if line.kind == Event.Kind.RESOLVE and line.pk not in undone]


def _is_undo_by(line: LogLine, activities: set[int]) -> bool:
    return line.kind == Event.Kind.UNDO and line.activity in activities


def _bring_back(life: AlertState, ended: LogLine, at: datetime, *, activity: int | None) -> None:
    """Take a manual end back: the alert is again what its senders say, also what they said since."""
    kind = Event.Kind.UNDO.value
    life.add(LogLine(time_ordered_key(), 0, NO_TAGS, None, at, at, kind=kind, undoes=ended.pk, activity=activity))
    life.projection = project(life.log or ())


def _follow(rollups: Mapping[int, IncidentRollup], alerts: Mapping[int, _Held], lives: list[AlertState]) -> None:
    """Write alerts changed by hand, and count them into their incidents: correlation has nothing left to do for them."""
    app_keys = AppKey.objects.only("source_system", "name").in_bulk({life.app_key_pk for life in lives})
    for life in lives:
        held = alerts[life.pk]
        seen = AlertSnapshot.of_state(
            life, app_keys[life.app_key_pk], counted_status=held.counted_status, plan=held.plan
        )
        rollups[held.incident].update(seen)
        life.correlated_revision = life.seen_revision + 1
    store.write(lives)
