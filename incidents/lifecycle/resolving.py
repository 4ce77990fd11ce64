"""Closing incidents by hand, and opening them again. Alerts are ended, and brought back, by lines in their own logs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import Case, F, Q, When

from alerts import sets, store
from alerts.events import Status
from alerts.folding import NO_TAGS, Line, fold
from alerts.lives import Life
from alerts.models import Alert, Event, time_ordered_key
from incidents import sequence
from incidents.gathering import Gathering
from incidents.lifecycle.action import Action, Actor, Outcome, perform, perform_on
from incidents.lifecycle.counting import gatherings_of, save
from incidents.models import Activity, Incident, Maintenance, Matcher, no_counts
from people.models import User


@dataclass(frozen=True)
class Resolve(Action):
    """Close an incident and end its active alerts; an event newer than this moment reopens it (engine.md, Identity, dedup, order).

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
        alerts = Alert.objects.filter(incident__in=list(done))
        # Locked in order of the key, as ingest writes them, so that the two do not wait for each other.
        rows = alerts.select_for_update(of=("self",)).order_by("pk").values_list("pk", "incident_id", "status")
        incident_of = {pk: incident for pk, incident, status in rows if status != Status.OK}
        lives = store.read(list(incident_of))
        for life in lives:
            life.resolve(at, activity=done[incident_of[life.pk] or 0].pk)
        store.write(lives)
        # They are counted as ended; correlation has nothing left to do for those that it was up to date with before this last line by hand.
        was_up_to_date = When(correlated_revision=F("revision") - 1, last_content=None, then=F("revision"))
        seen = Case(was_up_to_date, default=F("correlated_revision"))
        alerts.exclude(counted_status=Status.OK).update(counted_status=Status.OK, correlated_revision=seen)
        Matcher.objects.filter(incident__in=list(done), open=True).update(open=False)
        sequence.note_by_hand(done, at)

    @classmethod
    def undo_refusal(cls, incident: Incident, activity: Activity) -> str:
        is_as_left = incident.resolved_at and incident.resolved_at.isoformat() == activity.before["is"]["resolved_at"]
        return "" if is_as_left and incident.resolved_by_id else cls.changed_since

    @classmethod
    def carry_back(cls, undone: Mapping[int, Activity], incidents: Mapping[int, Incident], at: datetime) -> None:
        lives = _brought_back({activity.pk for activity in undone.values()}, incidents, at)
        gatherings = gatherings_of(incidents.values())
        _follow(gatherings, lives)
        for pk, gathering in gatherings.items():
            if gathering.incident.active_count == 0 and undone[pk].details["ended"]:
                gathering.resolve(at)  # its senders have said ok meanwhile
            else:
                gathering.reopen()
        save(gatherings)
        sequence.note_by_hand(gatherings, at)


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
        lives = []
        for life, incident in _lives_with_logs(done):
            ended = max(_standing_resolves(life), key=_in_time, default=None)
            if ended and ended == max(life.log or (), key=_in_time):
                _bring_back(life, ended, at, activity=done[incident].pk)
                lives.append(life)
        gatherings = gatherings_of(Incident.objects.filter(pk__in=list(done)))
        _follow(gatherings, lives)
        for gathering in gatherings.values():
            gathering.reopen()
        save(gatherings)
        sequence.note_by_hand(gatherings, at)

    @classmethod
    def undo_refusal(cls, incident: Incident, activity: Activity) -> str:
        return "" if incident.is_open else cls.changed_since

    @classmethod
    def carry_back(cls, undone: Mapping[int, Activity], incidents: Mapping[int, Incident], at: datetime) -> None:
        """An alert that has fired anew since keeps its incident open."""
        reopenings = {activity.pk for activity in undone.values()}
        lives = []
        for life, _ in _lives_with_logs(incidents):
            log = {line.pk: line for line in life.log or ()}
            brought_back = next((line for line in log.values() if _is_undo_by(line, reopenings)), None)
            if brought_back and brought_back.undoes:
                ended = log[brought_back.undoes]
                life.add(replace(ended, pk=time_ordered_key(), received_at=at))
                life.folded = fold(life.log or ())
                lives.append(life)
        gatherings = gatherings_of(incidents.values())
        _follow(gatherings, lives)
        for gathering in gatherings.values():
            if gathering.incident.active_count:
                gathering.reopen()
            else:
                gathering.resolve(gathering.incident.resolved_at or at, by=gathering.incident.resolved_by)
        save(gatherings)
        sequence.note_by_hand(gatherings, at)


@dataclass(frozen=True)
class ResolveAlerts(Action):
    """End some alerts by hand and leave the others; an incident of which none is left active resolves with them (bigpanda.md §7.1, batch-resolve)."""

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
        rows = (
            Alert.objects.filter(self._ended(), incident__in=list(done)).select_for_update(of=("self",)).order_by("pk")
        )
        incident_of = dict(rows.values_list("pk", "incident_id"))
        lives = store.read(list(incident_of))
        for life in lives:
            life.resolve(at, activity=done[incident_of[life.pk] or 0].pk)
        _settle(Incident.objects.filter(pk__in=list(done)), lives, at)

    def _ended(self) -> Q:
        return Q(pk__in=self.alerts) & ~Q(status=Status.OK)

    @classmethod
    def carry_back(cls, undone: Mapping[int, Activity], incidents: Mapping[int, Incident], at: datetime) -> None:
        _settle(incidents.values(), _brought_back({each.pk for each in undone.values()}, incidents, at), at)


def resolve_alerts(alerts: Iterable[int], *, by: User, comment: str = "") -> Outcome:
    """End those of these alerts that are active, wherever they are."""
    pks = tuple(alerts)
    active = Alert.objects.filter(pk__in=pks, incident__isnull=False).exclude(status=Status.OK)
    return perform_on(ResolveAlerts(pks, comment), set(active.values_list("incident", flat=True)), by=by)


def end_alerts(incident: Incident, *, by: Actor, comment: str = "") -> Activity:
    """End every active alert of an incident, which resolves with them. Raises InvalidTransition where it is resolved already.

    How a script resolves: to correlation it is as if the senders had said ok, for no person closed it (bigpanda.md §7.2).
    """
    alerts = tuple(Alert.objects.filter(incident=incident).values_list("pk", flat=True))
    return perform(ResolveAlerts(alerts, comment), incident, by=by)


def _settle(incidents: Iterable[Incident], lives: list[Life], at: datetime) -> None:
    """Count changed alerts, and let their incidents resolve or reopen by what came of it."""
    gatherings = gatherings_of(incidents)
    _follow(gatherings, lives)
    for gathering in gatherings.values():
        if gathering.incident.active_count and not gathering.incident.is_open:
            gathering.reopen()
        elif gathering.incident.active_count == 0 and gathering.incident.is_open:
            gathering.resolve(at)
    save(gatherings)
    sequence.note_by_hand(gatherings, at)


def _brought_back(activities: set[int], incidents: Iterable[int], at: datetime) -> list[Life]:
    """The alerts that these activities ended, as their senders say again."""
    lives = []
    for life, _ in _lives_with_logs(incidents):
        ended = next((line for line in _standing_resolves(life) if line.activity in activities), None)
        if ended:
            _bring_back(life, ended, at, activity=ended.activity)
            lives.append(life)
    return lives


def _lives_with_logs(incidents: Iterable[int]) -> list[tuple[Life, int]]:
    """The current lives of these incidents' alerts, with the incident each is in. A new life tells by itself how it is now."""
    # Locked in order of the key, as ingest writes them, so that the two do not wait for each other.
    alerts = Alert.objects.filter(incident__in=list(incidents), is_current=True)
    incident_of = dict(alerts.select_for_update(of=("self",)).order_by("pk").values_list("pk", "incident_id"))
    lives = store.read(list(incident_of))
    logs = store.read_logs([life.pk for life in lives])
    for life in lives:
        life.log = logs[life.pk]
    return [(life, incident_of[life.pk] or 0) for life in lives]


def _in_time(line: Line) -> tuple[datetime, int]:
    return line.occurred_at, line.pk


def _standing_resolves(life: Life) -> list[Line]:
    """The lines that end the alert by hand, without those that were undone."""
    log = life.log or []
    undone = {line.undoes for line in log}
    return [line for line in log if line.kind == Event.Kind.RESOLVE and line.pk not in undone]


def _is_undo_by(line: Line, activities: set[int]) -> bool:
    return line.kind == Event.Kind.UNDO and line.activity in activities


def _bring_back(life: Life, ended: Line, at: datetime, *, activity: int | None) -> None:
    """Take a manual end back: the alert is again what its senders say, also what they said since."""
    kind = Event.Kind.UNDO.value
    life.add(Line(time_ordered_key(), 0, NO_TAGS, None, at, at, kind=kind, undoes=ended.pk, activity=activity))
    life.folded = fold(life.log or ())


def _follow(gatherings: Mapping[int, Gathering], lives: list[Life]) -> None:
    """Write alerts changed by hand, and count them into their incidents: correlation has nothing left to do for them."""
    store.write(lives)
    alerts = list(Alert.objects.select_related("app_key").filter(pk__in=[life.pk for life in lives]))
    for alert in alerts:
        gatherings[alert.incident_id or 0].follow_row(alert)
    sets.save(alerts, ["correlated_revision", "counted_status"])
