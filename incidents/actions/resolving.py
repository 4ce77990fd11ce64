"""Resolving and reopening of incidents by hand. A manual end of an alert, and its undo, are entries in the log of the alert."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Q
from django.utils.html import format_html

from alerts.events import Status
from alerts.ingest import store
from alerts.ingest.alert_state import AlertState
from alerts.ingest.projection import NO_TAGS, LogLine, project
from alerts.models import Alert, Event, time_ordered_key
from appkeys.models import AppKey
from incidents.actions.action import OPEN_FOLDERS, Action, ActionResult, Actor, perform_on
from incidents.actions.activity_texts import ActivityText, Text, alerts_counted
from incidents.actions.forms import CommentedForm
from incidents.actions.recount import rollups_of, save
from incidents.correlation import correlation_log
from incidents.correlation.rollup import AlertSnapshot, IncidentRollup
from incidents.feed.folders import Folder
from incidents.models import Activity, BulkAction, Incident, Maintenance, Matcher, no_counts
from people.models import User


@dataclass(frozen=True)
class Resolve(Action):
    """End of an incident and of its active alerts. A newer event that is not ok reopens the incident (docs/how-it-works.md §2.4).

    Undo makes each alert that the action ended what its senders say, and recounts the incident.
    """

    comment: str = ""

    name, kind = "resolve", Activity.Kind.RESOLVED_BY_HAND
    verb, done, icon, key = "Resolve", "Resolved", "check", "e"
    is_primary = True
    bulk_folders = OPEN_FOLDERS
    form, question = CommentedForm, "Resolve {}?"
    effect = "A newer event that is not ok reopens the incident. You can undo this."
    columns = (
        *("status", "active_count", "status_counts", "maintenance_counts", "maintenance"),
        *("changed_at", "resolved_at", "resolved_by"),
    )
    restored = ("changed_at", "resolved_at", "resolved_by")
    changed_since = "The incident has reopened since: there is nothing to undo."

    @classmethod
    def is_offered(cls, incident: Incident, user: User) -> bool:
        return incident.is_open

    @classmethod
    def warning(cls, incident: Incident) -> Text:
        return _still_firing(incident.active_count) if incident.is_open else "It is resolved already."

    @classmethod
    def bulk_warning(cls, bulk: BulkAction) -> Text:
        incidents = bulk.preview["firing_incidents"]
        where = f" in {incidents:,} incident{'' if incidents == 1 else 's'}" if bulk.total > 1 else ""
        return _still_firing(bulk.preview["firing"], where)

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

    def after_change(self, activities: Mapping[int, Activity], at: datetime) -> None:
        alerts = _lock(Q(incident__in=list(activities)))
        states = store.read([pk for pk, locked in alerts.items() if locked.status != Status.OK])
        for state in states:
            locked = alerts[state.pk]
            state.resolve(at, activity=activities[locked.incident].pk)
            # The rollup counts the alert as ended, so correlation has nothing left to do for an alert that was not behind.
            state.correlated_revision = locked.correlated_revision + (locked.correlated_revision == state.seen_revision)
        store.write(states)
        # The rollup also counts alerts that ended by an event after the last round of correlation.
        ended = [pk for pk, locked in alerts.items() if locked.status == Status.OK != locked.counted_status]
        Alert.objects.filter(pk__in=ended).update(counted_status=Status.OK)
        Matcher.objects.filter(incident__in=list(activities), open=True).update(open=False)
        correlation_log.record_manual_change(activities, at)

    @classmethod
    def sentence(cls, activity: Activity) -> Text:
        ended = activity.details.get("ended", 0)
        return f"resolved the incident by hand{f', which ended {alerts_counted(ended)}' if ended else ''}"

    @classmethod
    def activity_texts(cls) -> dict[str, ActivityText]:
        # The history distinguishes a manual resolve from one by alerts, which has a check mark.
        return {cls.kind: ActivityText(cls.done, "hand", cls.sentence)}

    @classmethod
    def undo_refusal(cls, incident: Incident, activity: Activity) -> str:
        is_as_left = incident.resolved_at and incident.resolved_at.isoformat() == activity.before["is"]["resolved_at"]
        return "" if is_as_left and incident.resolved_by_id else cls.changed_since

    @classmethod
    def after_restore(cls, undone: Mapping[int, Activity], incidents: Mapping[int, Incident], at: datetime) -> None:
        alerts = _lock_current(incidents)
        rollups = rollups_of(incidents.values())
        _write_and_count(
            rollups, alerts, _without_manual_end({activity.pk for activity in undone.values()}, alerts, at)
        )
        for pk, rollup in rollups.items():
            if rollup.incident.active_count == 0 and undone[pk].details["ended"]:
                rollup.resolve(at)  # the senders have said ok meanwhile
            else:
                rollup.reopen()
        save(rollups)
        correlation_log.record_manual_change(rollups, at)


@dataclass(frozen=True)
class Reopen(Action):
    """Reopening of an incident. Each alert that a manual resolve ended becomes what its senders say.

    The incident opens also where none of its alerts fires.
    """

    comment: str = ""

    name, kind = "reopen", Activity.Kind.REOPENED_BY_HAND
    verb, done, icon = "Reopen", "Reopened", "repeat"
    bulk_folders = (Folder.RESOLVED,)
    form, question = CommentedForm, "Reopen {}?"
    effect = (
        "Alerts that were ended by hand fire again, as their senders last said. "
        "An incident of which none fires stays open until the next ok."
    )
    columns = ("changed_at", "resolved_at", "resolved_by")
    changed_since = "The incident was resolved since: there is nothing to undo."

    @classmethod
    def is_offered(cls, incident: Incident, user: User) -> bool:
        return not incident.is_open

    def refusal(self, incident: Incident) -> str:
        return "The incident is open already." if incident.is_open else ""

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        incident.changed_at = at
        incident.resolved_at = incident.resolved_by = None
        return {}

    def after_change(self, activities: Mapping[int, Activity], at: datetime) -> None:
        alerts = _lock_current(activities)
        states = []
        for state in _states_with_logs(alerts):
            ended = max(_manual_ends(state), key=_in_time, default=None)
            if ended and ended == max(state.log or (), key=_in_time):
                _undo_manual_end(state, ended, at, activity=activities[alerts[state.pk].incident].pk)
                states.append(state)
        rollups = rollups_of(Incident.objects.filter(pk__in=list(activities)))
        _write_and_count(rollups, alerts, states)
        for rollup in rollups.values():
            rollup.reopen()
        save(rollups)
        correlation_log.record_manual_change(rollups, at)

    @classmethod
    def sentence(cls, activity: Activity) -> Text:
        return "reopened the incident"

    @classmethod
    def undo_refusal(cls, incident: Incident, activity: Activity) -> str:
        return "" if incident.is_open else cls.changed_since

    @classmethod
    def after_restore(cls, undone: Mapping[int, Activity], incidents: Mapping[int, Incident], at: datetime) -> None:
        """End again the alerts that the reopening brought back. An alert that fired since keeps its incident open."""
        reopenings = {activity.pk for activity in undone.values()}
        alerts = _lock_current(incidents)
        states = []
        for state in _states_with_logs(alerts):
            log = {line.pk: line for line in state.log or ()}
            brought_back = next((line for line in log.values() if _is_undo_by(line, reopenings)), None)
            if brought_back and brought_back.undoes:
                ended = log[brought_back.undoes]
                state.add(replace(ended, pk=time_ordered_key(), received_at=at))
                state.projection = project(state.log or ())
                states.append(state)
        rollups = rollups_of(incidents.values())
        _write_and_count(rollups, alerts, states)
        for rollup in rollups.values():
            if rollup.incident.active_count:
                rollup.reopen()
            else:
                rollup.resolve(rollup.incident.resolved_at or at, by=rollup.incident.resolved_by)
        save(rollups)
        correlation_log.record_manual_change(rollups, at)


@dataclass(frozen=True)
class ResolveAlerts(Action):
    """End of some alerts. An incident without an active alert resolves with its last one (docs/wire-contract.md §8.2)."""

    alerts: tuple[int, ...]
    comment: str = ""

    name, kind = "resolve_alerts", Activity.Kind.ALERTS_RESOLVED
    verb, done, icon = "Resolve alerts", "Alerts resolved", "hand"
    is_asked = False

    def refusal(self, incident: Incident) -> str:
        return "" if incident.is_open else "The incident is resolved already."

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        return {"ended": Alert.objects.filter(self._ended(), incident=incident).count()}

    def after_change(self, activities: Mapping[int, Activity], at: datetime) -> None:
        alerts = _lock(self._ended() & Q(incident__in=list(activities)))
        states = store.read(list(alerts))
        for state in states:
            state.resolve(at, activity=activities[alerts[state.pk].incident].pk)
        _settle(Incident.objects.filter(pk__in=list(activities)), alerts, states, at)

    def _ended(self) -> Q:
        return Q(pk__in=self.alerts) & ~Q(status=Status.OK)

    @classmethod
    def after_restore(cls, undone: Mapping[int, Activity], incidents: Mapping[int, Incident], at: datetime) -> None:
        alerts = _lock_current(incidents)
        _settle(incidents.values(), alerts, _without_manual_end({each.pk for each in undone.values()}, alerts, at), at)

    @classmethod
    def sentence(cls, activity: Activity) -> Text:
        return f"resolved {alerts_counted(activity.details['ended'])}{'' if activity.by_token else ' by hand'}"


def resolve_alerts(alerts: Iterable[int], *, by: User, comment: str = "") -> ActionResult:
    """End the active ones of some alerts of any incidents."""
    pks = tuple(alerts)
    active = Alert.objects.filter(pk__in=pks, incident__isnull=False).exclude(status=Status.OK)
    return perform_on(ResolveAlerts(pks, comment), set(active.values_list("incident", flat=True)), by=by)


def end_alerts(incident: Incident, *, by: Actor, comment: str = "") -> Activity:
    """End every active alert of an incident, which resolves the incident. Raises InvalidTransition for a resolved incident.

    A script resolves in this way. For correlation the senders said ok, because no person closed the incident (docs/wire-contract.md §8.3).
    """
    alerts = tuple(Alert.objects.filter(incident=incident).values_list("pk", flat=True))
    return ResolveAlerts(alerts, comment).perform(incident, by=by)


class _LockedAlert(NamedTuple):
    """The state of a locked alert in its incident."""

    incident: int
    status: int
    counted_status: int | None
    correlated_revision: int
    plan: int | None  # the maintenance plan that expects the alert


def _lock(found: Q) -> dict[int, _LockedAlert]:
    """Return the alerts, locked until the transaction ends."""
    # Ingest locks alerts in order of the key too, so the two do not wait for each other.
    rows = Alert.objects.filter(found).select_for_update(of=("self",)).order_by("pk")
    columns = rows.values_list(
        "pk", "incident_id", "status", "counted_status", "correlated_revision", "maintenance_plan_id"
    )
    return {
        pk: _LockedAlert(incident or 0, status, counted, seen, plan)
        for pk, incident, status, counted, seen, plan in columns
    }


def _lock_current(incidents: Iterable[int]) -> dict[int, _LockedAlert]:
    """Return the current alerts of incidents. An earlier life of an alert is over, whatever a person undoes."""
    return _lock(Q(incident__in=list(incidents), is_current=True))


def _settle(
    incidents: Iterable[Incident], alerts: Mapping[int, _LockedAlert], states: list[AlertState], at: datetime
) -> None:
    """Recount incidents after a change of their alerts, and resolve or reopen them where the counts say so."""
    rollups = rollups_of(incidents)
    _write_and_count(rollups, alerts, states)
    for rollup in rollups.values():
        if rollup.incident.active_count and not rollup.incident.is_open:
            rollup.reopen()
        elif rollup.incident.active_count == 0 and rollup.incident.is_open:
            rollup.resolve(at)
    save(rollups)
    correlation_log.record_manual_change(rollups, at)


def _without_manual_end(activities: set[int], alerts: Iterable[int], at: datetime) -> list[AlertState]:
    """Return the alerts that these activities ended, without the manual end."""
    states = []
    for state in _states_with_logs(alerts):
        ended = next((line for line in _manual_ends(state) if line.activity in activities), None)
        if ended:
            _undo_manual_end(state, ended, at, activity=ended.activity)
            states.append(state)
    return states


def _states_with_logs(alerts: Iterable[int]) -> list[AlertState]:
    states = store.read(list(alerts))
    logs = store.read_logs([state.pk for state in states])
    for state in states:
        state.log = logs[state.pk]
    return states


def _in_time(line: LogLine) -> tuple[datetime, int]:
    return line.occurred_at, line.pk


def _manual_ends(state: AlertState) -> list[LogLine]:
    """Return the manual ends in the log that were not undone."""
    log = state.log or []
    undone = {line.undoes for line in log}
    return [line for line in log if line.kind == Event.Kind.RESOLVE and line.pk not in undone]


def _is_undo_by(line: LogLine, activities: set[int]) -> bool:
    return line.kind == Event.Kind.UNDO and line.activity in activities


def _undo_manual_end(state: AlertState, ended: LogLine, at: datetime, *, activity: int | None) -> None:
    """Undo a manual end. The alert becomes what its senders say, including what they said since."""
    kind = Event.Kind.UNDO.value
    state.add(LogLine(time_ordered_key(), 0, NO_TAGS, None, at, at, kind=kind, undoes=ended.pk, activity=activity))
    state.projection = project(state.log or ())


def _write_and_count(
    rollups: Mapping[int, IncidentRollup], alerts: Mapping[int, _LockedAlert], states: list[AlertState]
) -> None:
    """Write alerts that a person changed, and count them into their incidents, so that correlation need not look at them."""
    app_keys = AppKey.objects.only("source_system", "name").in_bulk({state.app_key_pk for state in states})
    for state in states:
        locked = alerts[state.pk]
        seen = AlertSnapshot.of_state(
            state, app_keys[state.app_key_pk], counted_status=locked.counted_status, plan=locked.plan
        )
        rollups[locked.incident].update(seen)
        state.correlated_revision = state.seen_revision + 1
    store.write(states)


def _still_firing(count: int, where: str = "") -> Text:
    if not count:
        return ""
    if count == 1:
        return format_html("<strong>1 alert{} still fires.</strong> It ends here, not at its source.", where)
    warning = "<strong>{}{} still fire.</strong> They end here, not at their sources."
    return format_html(warning, alerts_counted(count), where)
