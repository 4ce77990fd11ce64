"""Every change of an incident by a person, and each one's undo: the change and its Activity in one transaction.

Changes hold the correlation domain, so that correlation and people take turns.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from alerts import sets, store
from alerts.events import Status
from alerts.lives import Life
from alerts.models import Alert
from incidents import domain, live
from incidents.correlator import write_matchers
from incidents.gathering import ROLLED_UP, Gathering
from incidents.models import Activity, Incident
from people.models import User


class InvalidTransition(Exception):
    """A change that the incident's state does not allow; the text says why, in words for a person."""


@transaction.atomic
def resolve(incident: Incident, *, by: User, comment: str = "") -> Activity:
    """Close an incident by hand and end its active alerts; an event newer than this moment reopens it (engine.md, Identity, dedup, order).

    Raises InvalidTransition when it is resolved already.
    """
    gathering = _hold(incident)
    if not gathering.incident.is_open:
        raise InvalidTransition("The incident is resolved already.")
    at = timezone.now()
    lives = [life for life in _locked_lives(gathering.incident) if life.folded.status != Status.OK]
    activity = _record(
        gathering.incident, Activity.Kind.RESOLVED_BY_HAND, by=by, at=at, comment=comment, ended=len(lives)
    )
    for life in lives:
        life.resolve(at, activity=activity.pk)
    _write(gathering, lives)
    gathering.resolve(at, by=by)
    _save(gathering, at)
    return activity


@transaction.atomic
def undo_resolve(activity: Activity, *, by: User) -> None:
    """Take a manual resolve back: each alert it ended is again what its senders say, and the incident with them.

    Raises InvalidTransition when it was undone already, or when the incident has reopened since.
    """
    gathering = _hold(activity.incident)
    activity = Activity.objects.get(pk=activity.pk)
    if activity.kind != Activity.Kind.RESOLVED_BY_HAND or activity.undone_at:
        raise InvalidTransition("This was undone already.")
    if gathering.incident.is_open or gathering.incident.resolved_by is None:
        raise InvalidTransition("The incident has reopened since: there is nothing to undo.")
    at = timezone.now()
    lives = []
    locked = _locked_lives(gathering.incident)
    logs = store.read_logs([life.pk for life in locked])
    for life in locked:
        life.log = logs[life.pk]
        resolved = next((line for line in life.log if line.activity == activity.pk), None)
        if resolved and life.is_current:  # where a new life began since, that one tells how it is now
            life.undo_resolve(resolved, at)
            lives.append(life)
    activity.undone_at = at
    activity.save(update_fields=["undone_at"])
    _record(gathering.incident, Activity.Kind.UNDONE, by=by, at=at, of=activity.kind)
    _write(gathering, lives)
    if gathering.incident.active_count:
        gathering.reopen()
    _save(gathering, at)


@transaction.atomic
def assign(incident: Incident, *, to: User, by: User) -> None:
    """Make a person the owner of an incident."""
    _set_assignee(incident, to, by, Activity.Kind.ASSIGNED)


@transaction.atomic
def unassign(incident: Incident, *, by: User) -> None:
    _set_assignee(incident, None, by, Activity.Kind.UNASSIGNED)


@transaction.atomic
def comment(incident: Incident, *, by: User, text: str) -> Activity:
    incident = _hold(incident).incident
    incident.comments_count += 1
    incident.save(update_fields=["comments_count"])
    transaction.on_commit(live.announce)
    return _record(incident, Activity.Kind.COMMENTED, by=by, at=timezone.now(), comment=text)


def _set_assignee(incident: Incident, to: User | None, by: User, kind: Activity.Kind) -> None:
    incident = _hold(incident).incident
    if incident.assignee == to:
        raise InvalidTransition(f"The incident is {to.shown_name}'s already." if to else "Nobody owns the incident.")
    details = {"to": to.shown_name} if to else {}
    incident.assignee = to
    incident.save(update_fields=["assignee"])
    _record(incident, kind, by=by, at=timezone.now(), **details)
    transaction.on_commit(live.announce)


def _hold(incident: Incident) -> Gathering:
    """The incident as it is now, which nobody else changes until the transaction ends."""
    domain.hold()
    fresh = (
        Incident.objects.select_for_update(of=("self",)).select_related("assignee", "resolved_by").get(pk=incident.pk)
    )
    return Gathering(fresh, list(fresh.matchers.order_by("pk")))


def _locked_lives(incident: Incident) -> list[Life]:
    # In order of the key, as ingest writes them, so that the two do not wait for each other.
    return store.read(list(incident.alerts.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True)))


def _record(
    incident: Incident, kind: Activity.Kind, *, by: User, at: datetime, comment: str = "", **details: object
) -> Activity:
    return Activity.objects.create(incident=incident, kind=kind, by=by, at=at, comment=comment, details=details)


def _write(gathering: Gathering, lives: list[Life]) -> None:
    """Write alerts changed by hand, and count them into their incident: correlation has nothing left to do for them."""
    store.write(lives)
    alerts = list(Alert.objects.filter(pk__in=[life.pk for life in lives]))
    for alert in alerts:
        gathering.follow_row(alert)
    sets.save(alerts, ["correlated_revision", "counted_status"])


def _save(gathering: Gathering, at: datetime) -> None:
    gathering.incident.changed_at = at
    gathering.incident.save(update_fields=ROLLED_UP)
    write_matchers([gathering])
    transaction.on_commit(live.announce)
