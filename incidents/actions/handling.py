"""Handling of incidents: acknowledgement, owner, priority and snooze."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from django.db import transaction
from django.utils import timezone
from django.utils.html import format_html

from db import bulk
from incidents import correlation_lock
from incidents.actions.action import EVERY_FOLDER, OPEN_FOLDERS, Action, Button, locked
from incidents.actions.activity_texts import Text
from incidents.actions.forms import (
    LONGEST_SNOOZE,
    TOO_LONG,
    ActionForm,
    AssignForm,
    PriorityForm,
    SnoozeForm,
)
from incidents.environments import placement
from incidents.feed.folders import Folder
from incidents.models import Activity, Incident, Priority
from people.models import User
from people.templatetags.console_tags import moment

WAKE_SIZE = 1000  # incidents whose snooze ends in one transaction
WAKE_REASONS = {
    "time": "its time is over",
    "alert": "an alert joined",
    "worse": "its status got worse",
    "reopened": "it reopened",
}


@dataclass(frozen=True)
class Acknowledge(Action):
    """Acknowledgement of an incident. The status of the alerts stays; a reopening ends the acknowledgement."""

    name, kind = "acknowledge", Activity.Kind.ACKNOWLEDGED
    verb, done, icon, key = "Acknowledge", "Acknowledged", "eye", "a"
    asks = False
    bulk_folders = OPEN_FOLDERS
    question = "Acknowledge {}?"
    effect = "It says that somebody has seen it, until it reopens. It stays where it is in the feed."
    columns = ("acknowledged_by", "acknowledged_at")

    @classmethod
    def is_offered(cls, incident: Incident, user: User) -> bool:
        return incident.is_open and not incident.acknowledged_at

    def refusal(self, incident: Incident) -> str:
        if not incident.is_open:
            return "The incident is resolved: there is nothing to acknowledge."
        return "It is acknowledged already." if incident.acknowledged_at else ""

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        incident.acknowledged_by, incident.acknowledged_at = by, at
        return {}

    @classmethod
    def sentence(cls, activity: Activity) -> Text:
        return "acknowledged the incident"


@dataclass(frozen=True)
class Unacknowledge(Action):
    """Withdrawal of an acknowledgement."""

    name, kind = "unacknowledge", Activity.Kind.UNACKNOWLEDGED
    verb, done, icon, key = "Unacknowledge", "Unacknowledged", "eye-off", "a"
    asks = False
    question = "Unacknowledge {}?"
    columns = ("acknowledged_by", "acknowledged_at")

    @classmethod
    def is_offered(cls, incident: Incident, user: User) -> bool:
        return incident.is_open and incident.acknowledged_at is not None

    def refusal(self, incident: Incident) -> str:
        return "" if incident.acknowledged_at else "Nobody has acknowledged it."

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        incident.acknowledged_by = incident.acknowledged_at = None
        return {}

    @classmethod
    def sentence(cls, activity: Activity) -> Text:
        return "unacknowledged the incident"


@dataclass(frozen=True)
class Assign(Action):
    """Assignment of an incident to a person, who becomes the owner."""

    to: User

    name, kind = "assign", Activity.Kind.ASSIGNED
    verb, done, icon, key = "Assign", "Assigned", "user-plus", "m"
    key_help = "Assign to me"
    bulk_folders = EVERY_FOLDER
    form, question = AssignForm, "Assign {}"
    columns = ("assignee", "assigned_by", "assigned_at")
    changed_since = "It has another owner since: there is nothing to undo."

    @classmethod
    def buttons(cls, incident: Incident, user: User) -> list[Button]:
        to_me = [] if incident.assignee_id == user.pk else [cls.button(words="Assign to me", asks=False)]
        return [*to_me, cls.button(id="assign-to", words="Assign to somebody", key="", in_menu=True)]

    @classmethod
    def from_form(cls, form: ActionForm) -> Action:
        return cls(form.cleaned_data["to"] or form.user)

    def refusal(self, incident: Incident) -> str:
        return f"The incident is {self.to.shown_name}'s already." if incident.assignee_id == self.to.pk else ""

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        incident.assignee, incident.assigned_by, incident.assigned_at = self.to, by, at
        return {"to": self.to.shown_name}

    def arguments(self) -> dict[str, Any]:
        return {"to": self.to.pk}

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> Self:
        return cls(User.objects.get(pk=arguments["to"]))

    @classmethod
    def sentence(cls, activity: Activity) -> Text:
        to = activity.details.get("to", "")
        is_own = activity.by and activity.by.shown_name == to
        return "took the incident" if is_own else f"assigned the incident to {to}"


@dataclass(frozen=True)
class Unassign(Action):
    """Removal of the owner."""

    name, former_names, kind = "unassign", ("release",), Activity.Kind.UNASSIGNED
    verb, done, icon, key = "Unassign", "Unassigned", "user-minus", "m"
    asks = False
    question = "Unassign {}?"
    columns = ("assignee", "assigned_by", "assigned_at")
    changed_since = "It has a new owner since: there is nothing to undo."

    @classmethod
    def buttons(cls, incident: Incident, user: User) -> list[Button]:
        if incident.assignee_id == user.pk:
            return [cls.button()]
        return [cls.button(key="", in_menu=True)] if incident.assignee_id else []

    def refusal(self, incident: Incident) -> str:
        return "" if incident.assignee_id else "Nobody owns the incident."

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        incident.assignee = incident.assigned_by = incident.assigned_at = None
        return {}

    @classmethod
    def sentence(cls, activity: Activity) -> Text:
        return "unassigned the incident"


@dataclass(frozen=True)
class Snooze(Action):
    """Snooze of an incident until a time, or until a new alert, a worse status or a reopening (docs/wire-contract.md §5.2)."""

    until: datetime
    wakes_on_update: bool = False
    comment: str = ""

    name, kind = "snooze", Activity.Kind.SNOOZED
    verb, done, icon, key = "Snooze", "Snoozed", "alarm-clock", "s"
    bulk_folders = OPEN_FOLDERS - {Folder.SNOOZED}
    form, question = SnoozeForm, "Snooze {}"
    effect = "It waits in the folder Snoozed, and comes back by itself."
    columns = ("snoozed_by", "snoozed_until", "wakes_on_update")
    changed_since = "It is awake again, or was snoozed anew: there is nothing to undo."

    @classmethod
    def is_offered(cls, incident: Incident, user: User) -> bool:
        return incident.is_open and not incident.is_snoozed

    @classmethod
    def from_form(cls, form: ActionForm) -> Action:
        said = form.cleaned_data
        return cls(said["until"], said["wakes_on_update"], said["comment"])

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
    def from_arguments(cls, arguments: Mapping[str, Any]) -> Self:
        return cls(**{**arguments, "until": datetime.fromisoformat(arguments["until"])})

    @classmethod
    def sentence(cls, activity: Activity) -> Text:
        until = moment(datetime.fromisoformat(activity.details["until"]), "exact")
        wakes = ", or until something changes" if activity.details.get("wakes_on_update") else ""
        return format_html("snoozed the incident until {}{}", until, wakes)


@dataclass(frozen=True)
class Unsnooze(Action):
    """Early end of a snooze."""

    name, kind = "unsnooze", Activity.Kind.UNSNOOZED
    verb, done, icon, key = "End snooze", "Snooze ended", "alarm-clock", "s"
    asks = False
    bulk_folders = (Folder.SNOOZED,)
    question = "End snooze of {}?"
    columns = ("snoozed_by", "snoozed_until", "wakes_on_update")

    @classmethod
    def is_offered(cls, incident: Incident, user: User) -> bool:
        return incident.is_snoozed

    def refusal(self, incident: Incident) -> str:
        return "" if incident.is_snoozed else "It is not snoozed."

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        _end_snooze(incident)
        return {}

    @classmethod
    def undo_refusal(cls, incident: Incident, activity: Activity) -> str:
        if activity.before["was"]["snoozed_until"] <= timezone.now().isoformat():
            return "Its snooze would be over by now: there is nothing to undo."
        return super().undo_refusal(incident, activity)

    @classmethod
    def sentence(cls, activity: Activity) -> Text:
        if activity.is_by_somebody:
            return "ended the snooze"
        reason = WAKE_REASONS.get(activity.details.get("why", ""), "something changed")
        return f"Snooze ended: {reason}"


@dataclass(frozen=True)
class Prioritise(Action):
    """Priority of an incident; None removes the priority."""

    priority: Priority | None

    name, kind = "priority", Activity.Kind.PRIORITISED
    verb, done, icon = "Set priority", "Priority set", "flag"
    in_menu = True
    bulk_folders = EVERY_FOLDER
    form, question = PriorityForm, "Set priority of {}"
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
    def from_arguments(cls, arguments: Mapping[str, Any]) -> Self:
        return cls(Priority(arguments["priority"]) if arguments["priority"] else None)

    @classmethod
    def sentence(cls, activity: Activity) -> Text:
        priority, was = activity.details.get("priority"), activity.details.get("was")
        if not priority:
            return f"removed the priority {was}"
        return f"changed the priority from {was} to {priority}" if was else f"set the priority to {priority}"


def wake_those_due() -> int:
    """End each snooze whose time is over, and return how many there were."""
    total = 0
    while True:
        with transaction.atomic():
            due = Incident.objects.filter(snoozed_until__lte=timezone.now()).order_by("snoozed_until")
            pks = list(due.values_list("pk", flat=True)[:WAKE_SIZE])
            if not pks:
                return total
            correlation_lock.hold()
            at = timezone.now()
            # A person may have snoozed an incident anew before this transaction held the lock.
            awake = [each for each in locked(pks) if each.snoozed_until and each.snoozed_until <= at]
            for incident in awake:
                _end_snooze(incident)
            bulk.save(awake, Snooze.columns)
            Activity.objects.bulk_create(
                Activity(incident=each, kind=Unsnooze.kind, at=at, details={"why": "time"}) for each in awake
            )
            placement.place_after_action(pks)
        total += len(awake)


def _end_snooze(incident: Incident) -> None:
    incident.snoozed_by = incident.snoozed_until = None
    incident.wakes_on_update = False
