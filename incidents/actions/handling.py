"""Whose an incident is, whether somebody has seen it, how much it matters, and until when it is put aside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from django.db import transaction
from django.utils import timezone

from db import bulk
from incidents import correlation_lock
from incidents.actions.action import Action, locked
from incidents.environments import placement
from incidents.models import Activity, Incident, Priority
from people.models import User

LONGEST_SNOOZE = timedelta(days=90)  # docs/wire-contract.md §5.2
TOO_LONG = "A snooze can last 90 days at most. Choose an earlier time."
_SET = 1000  # incidents that wake in one transaction


@dataclass(frozen=True)
class Acknowledge(Action):
    """Say that somebody has seen it; it stays with the alerts' own status, and ends when the incident reopens."""

    kind = Activity.Kind.ACKNOWLEDGED
    columns = ("acknowledged_by", "acknowledged_at")

    def refusal(self, incident: Incident) -> str:
        if not incident.is_open:
            return "The incident is resolved: there is nothing to acknowledge."
        return "It is acknowledged already." if incident.acknowledged_at else ""

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        incident.acknowledged_by, incident.acknowledged_at = by, at
        return {}


@dataclass(frozen=True)
class Unacknowledge(Action):
    kind = Activity.Kind.UNACKNOWLEDGED
    columns = ("acknowledged_by", "acknowledged_at")

    def refusal(self, incident: Incident) -> str:
        return "" if incident.acknowledged_at else "Nobody has acknowledged it."

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        incident.acknowledged_by = incident.acknowledged_at = None
        return {}


@dataclass(frozen=True)
class Assign(Action):
    """Make a person the owner."""

    to: User

    kind = Activity.Kind.ASSIGNED
    columns = ("assignee", "assigned_by", "assigned_at")
    changed_since = "It has another owner since: there is nothing to undo."

    def refusal(self, incident: Incident) -> str:
        return f"The incident is {self.to.shown_name}'s already." if incident.assignee_id == self.to.pk else ""

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        incident.assignee, incident.assigned_by, incident.assigned_at = self.to, by, at
        return {"to": self.to.shown_name}

    def arguments(self) -> dict[str, Any]:
        return {"to": self.to.pk}

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        return cls(User.objects.get(pk=arguments["to"]))


@dataclass(frozen=True)
class Unassign(Action):
    kind = Activity.Kind.UNASSIGNED
    columns = ("assignee", "assigned_by", "assigned_at")
    changed_since = "It has a new owner since: there is nothing to undo."

    def refusal(self, incident: Incident) -> str:
        return "" if incident.assignee_id else "Nobody owns the incident."

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        incident.assignee = incident.assigned_by = incident.assigned_at = None
        return {}


@dataclass(frozen=True)
class Snooze(Action):
    """Put it aside until a time, or until something changes: a new alert, a worse status, or a reopening (docs/wire-contract.md §5.2)."""

    until: datetime
    wakes_on_update: bool = False
    comment: str = ""

    kind = Activity.Kind.SNOOZED
    columns = ("snoozed_by", "snoozed_until", "wakes_on_update")
    changed_since = "It is awake again, or was snoozed anew: there is nothing to undo."

    @property
    def said(self) -> str:
        return self.comment

    def refusal(self, incident: Incident) -> str:
        now = timezone.now()
        if not incident.is_open:
            return "The incident is resolved: there is nothing to snooze."
        if self.until <= now:
            return "This time has passed already. Choose a later one."
        return TOO_LONG if self.until - now > LONGEST_SNOOZE else ""

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        incident.snoozed_by, incident.snoozed_until = by, self.until.astimezone(UTC)
        incident.wakes_on_update = self.wakes_on_update
        return {"until": self.until.isoformat(), "wakes_on_update": self.wakes_on_update}

    def arguments(self) -> dict[str, Any]:
        return {**super().arguments(), "until": self.until.isoformat()}

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        return cls(**{**arguments, "until": datetime.fromisoformat(arguments["until"])})


@dataclass(frozen=True)
class Unsnooze(Action):
    kind = Activity.Kind.UNSNOOZED
    columns = ("snoozed_by", "snoozed_until", "wakes_on_update")

    def refusal(self, incident: Incident) -> str:
        return "" if incident.is_snoozed else "It is not snoozed."

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        wake_up(incident)
        return {}

    @classmethod
    def undo_refusal(cls, incident: Incident, activity: Activity) -> str:
        if activity.before["was"]["snoozed_until"] <= timezone.now().isoformat():
            return "Its snooze would be over by now: there is nothing to undo."
        return super().undo_refusal(incident, activity)


def wake_up(incident: Incident) -> None:
    incident.snoozed_by = incident.snoozed_until = None
    incident.wakes_on_update = False


@dataclass(frozen=True)
class Prioritise(Action):
    """Say how much it matters, or with None that nobody has judged it."""

    priority: Priority | None

    kind = Activity.Kind.PRIORITISED
    columns = ("priority",)
    changed_since = "Its priority was changed since: there is nothing to undo."

    def refusal(self, incident: Incident) -> str:
        if incident.priority != self.priority:
            return ""
        return f"Its priority is {self.priority.label} already." if self.priority else "It has no priority."

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        was = Priority(incident.priority).label if incident.priority else ""
        incident.priority = self.priority
        return {"priority": self.priority.label if self.priority else "", "was": was}

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        return cls(Priority(arguments["priority"]) if arguments["priority"] else None)


def wake_those_due() -> int:
    """Tell of each incident whose snooze is over that it is back; returns how many there were."""
    total = 0
    while True:
        with transaction.atomic():
            due = Incident.objects.filter(snoozed_until__lte=timezone.now()).order_by("snoozed_until")
            pks = list(due.values_list("pk", flat=True)[:_SET])
            if not pks:
                return total
            correlation_lock.hold()
            at = timezone.now()
            # Somebody may have snoozed one anew before we held the domain.
            awake = [each for each in locked(pks) if each.snoozed_until and each.snoozed_until <= at]
            for incident in awake:
                wake_up(incident)
            bulk.save(awake, Snooze.columns)
            Activity.objects.bulk_create(
                Activity(incident=each, kind=Activity.Kind.UNSNOOZED, at=at, details={"why": "time"}) for each in awake
            )
            placement.place_after_action(pks)
        total += len(awake)
