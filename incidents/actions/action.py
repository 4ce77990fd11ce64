"""What all actions have in common: they are done to one incident or to thousands alike, told as activities, and taken back.

Whoever does something holds the correlation domain, so that correlation and people take turns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Self

from django.db import transaction
from django.utils import timezone

from appkeys.models import OrgToken
from db import bulk as sets
from incidents import correlation_lock
from incidents.environments import placement
from incidents.models import Activity, BulkAction, Incident
from people.models import User

# What no action looks at, and would cost more to read than all it does.
NOT_ASKED = ("title", "subtitle", "sources", "names", "shared_tags")

Actor = User | OrgToken  # a script that came with an org token is nobody in person


class InvalidTransition(Exception):
    """A change that the incident's state does not allow; the text says why, in words for a person."""


@dataclass(frozen=True)
class Action:
    """Something a person does to incidents. What it sets in their rows undo brings back, where nobody has changed it since."""

    kind: ClassVar[Activity.Kind]
    columns: ClassVar[tuple[str, ...]] = ()  # what it writes of the incident's row
    restored: ClassVar[tuple[str, ...]] = ()  # those that undo brings back as they were; by default all
    related: ClassVar[tuple[str, ...]] = ()  # what it looks at beside the row
    changed_since: ClassVar[str] = "This was changed since: there is nothing to undo."

    def refusal(self, incident: Incident) -> str:
        """Why the incident does not allow it; empty where it does."""
        raise NotImplementedError

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        """Set what changes in the incident's row; returns what the activity tells. `by` is None where a script does it."""
        raise NotImplementedError

    def carry_out(self, done: Mapping[int, Activity], at: datetime) -> None:
        """What is to be done beyond the rows; `done` is by incident."""

    @property
    def said(self) -> str:
        """The comment that goes with it."""
        return ""

    def arguments(self) -> dict[str, Any]:
        """What it was asked with, as JSON, for a bulk action to keep."""
        return asdict(self)

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """The action that was asked with these arguments."""
        return cls(**arguments)

    def state(self, incident: Incident) -> dict[str, Any]:
        """What undo brings back, as JSON."""
        return _state(incident, self.restored or self.columns)

    @classmethod
    def undo_refusal(cls, incident: Incident, activity: Activity) -> str:
        """Why it cannot be undone now; empty where it can."""
        now = _state(incident, cls.restored or cls.columns)
        return "" if now == activity.before["is"] else cls.changed_since

    @classmethod
    def take_back(cls, incident: Incident, activity: Activity) -> None:
        for name, value in activity.before["was"].items():
            column: Any = Incident._meta.get_field(name)
            setattr(incident, column.attname, column.to_python(value))

    @classmethod
    def carry_back(cls, undone: Mapping[int, Activity], incidents: Mapping[int, Incident], at: datetime) -> None:
        """What is to be taken back beyond the rows; both are by incident, and the rows are written already."""


@dataclass(slots=True)
class Outcome:
    """What came of it: an activity for each incident it was done to, and for the others the reason why not."""

    activities: list[Activity] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)


def perform(action: Action, incident: Incident, *, by: Actor) -> Activity:
    """Do it to one incident. Raises InvalidTransition where that one does not allow it."""
    outcome = perform_on(action, [incident.pk], by=by)
    _raise_refusal(outcome)
    return outcome.activities[0]


@transaction.atomic
def perform_on(action: Action, pks: Iterable[int], *, by: Actor, bulk: BulkAction | None = None) -> Outcome:
    """Do it to each of these incidents that allows it, in one transaction and with a fixed number of statements.

    1. Hold the domain, and lock the incidents.
    2. Ask each whether it allows it, and change those that do.
    3. Write their rows, an activity for each, and what goes beyond the rows.
    """
    correlation_lock.hold()
    at = timezone.now()
    person, script = (by, {}) if isinstance(by, User) else (None, {"org_token": by.name})
    outcome, changed = Outcome(), []
    for incident in locked(pks, *action.related, without=NOT_ASKED):
        if refusal := _merged_away(incident) or action.refusal(incident):
            outcome.refused[incident.pk] = refusal
            continue
        was = action.state(incident)
        details = {**action.change(incident, by=person, at=at), **script}
        told = Activity(incident=incident, kind=action.kind, at=at, by=person, comment=action.said, details=details)
        told.before, told.bulk = {"was": was, "is": action.state(incident)}, bulk
        outcome.activities.append(told)
        changed.append(incident)
    if action.columns:
        sets.save(changed, action.columns)
    sets.create(outcome.activities)
    action.carry_out({activity.incident_id: activity for activity in outcome.activities}, at)
    placement.place_after_action([incident.pk for incident in changed])
    return outcome


@transaction.atomic
def undo_on(action: type[Action], activities: Iterable[int], *, by: User, bulk: BulkAction | None = None) -> Outcome:
    """Undo these activities of one kind, of one incident each, where nothing has changed since; each undoing is an activity again."""
    correlation_lock.hold()
    at = timezone.now()
    outcome = Outcome()
    activity_rows = Activity.objects.defer(None).filter(pk__in=activities).order_by("pk")
    wanted = {activity.incident_id: activity for activity in activity_rows}
    incidents = {incident.pk: incident for incident in locked(wanted, *action.related)}
    undone = {}
    for pk, incident in incidents.items():
        activity = wanted[pk]
        refusal = "This was undone already." if activity.undone_at else action.undo_refusal(incident, activity)
        if refusal:
            outcome.refused[pk] = refusal
            continue
        action.take_back(incident, activity)
        activity.undone_at = at
        undone[pk] = activity
    if action.columns:
        sets.save([incidents[pk] for pk in undone], action.columns)
    sets.save(list(undone.values()), ["undone_at"])
    outcome.activities = [tell_undone(activity, by=by, at=at, bulk=bulk) for activity in undone.values()]
    sets.create(outcome.activities)
    action.carry_back(undone, {pk: incidents[pk] for pk in undone}, at)
    placement.place_after_action(list(undone))
    return outcome


def tell_undone(activity: Activity, *, by: User, at: datetime, bulk: BulkAction | None = None) -> Activity:
    details = {"of": activity.kind, "activity": activity.pk}
    return Activity(
        incident_id=activity.incident_id, kind=Activity.Kind.UNDONE, by=by, at=at, details=details, bulk=bulk
    )


def locked(pks: Iterable[int], *related: str, without: Iterable[str] = ()) -> list[Incident]:
    """These incidents as they are now, which nobody else changes until the transaction ends; without some large columns."""
    rows = Incident.objects.select_for_update(of=("self",)).filter(pk__in=list(pks)).order_by("pk")
    return list(rows.defer(*without).prefetch_related(*related))


def undo_one(action: type[Action], activity: Activity, *, by: User) -> Activity:
    """Undo it at one incident. Raises InvalidTransition where that is not possible any more."""
    outcome = undo_on(action, [activity.pk], by=by)
    _raise_refusal(outcome)
    return outcome.activities[0]


def _raise_refusal(outcome: Outcome) -> None:
    for refusal in outcome.refused.values():
        raise InvalidTransition(refusal)


def _merged_away(incident: Incident) -> str:
    return f"It was merged into #{incident.merged_into_id}: act there." if incident.merged_into_id else ""


def _state(incident: Incident, names: Iterable[str]) -> dict[str, Any]:
    columns: list[Any] = [Incident._meta.get_field(name) for name in names]
    return {column.name: _as_json(getattr(incident, column.attname)) for column in columns}


def _as_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
