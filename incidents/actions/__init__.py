"""Every change of an incident by a person, and each one's undo: the change and its Activity in one transaction.

One function for one incident; each is an Action (incidents.actions.action), which in bulk is done to thousands alike (incidents.actions.bulk).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from incidents.actions.action import Action, Actor, InvalidTransition, perform
from incidents.actions.comments import Comment, delete_comment, edit_comment
from incidents.actions.grouping import merge, move, split, split_by_tag
from incidents.actions.handling import (
    Acknowledge,
    Assign,
    Prioritise,
    Snooze,
    Unacknowledge,
    Unassign,
    Unsnooze,
    wake_those_due,
)
from incidents.actions.resolving import Reopen, Resolve, end_alerts, resolve_alerts
from incidents.actions.sharing import Share
from incidents.actions.tags import RemoveTag, SetTag
from incidents.actions.undo import is_undoable, last_of, undo
from incidents.models import Activity, Incident, IncidentTag, Priority
from people.models import User


def resolve(incident: Incident, *, by: User, comment: str = "") -> Activity:
    return perform(Resolve(comment), incident, by=by)


def reopen(incident: Incident, *, by: User, comment: str = "") -> Activity:
    return perform(Reopen(comment), incident, by=by)


def acknowledge(incident: Incident, *, by: User) -> Activity:
    return perform(Acknowledge(), incident, by=by)


def unacknowledge(incident: Incident, *, by: User) -> Activity:
    return perform(Unacknowledge(), incident, by=by)


def assign(incident: Incident, *, to: User, by: User) -> Activity:
    return perform(Assign(to), incident, by=by)


def unassign(incident: Incident, *, by: User) -> Activity:
    return perform(Unassign(), incident, by=by)


def snooze(
    incident: Incident, *, until: datetime, by: Actor, wakes_on_update: bool = False, comment: str = ""
) -> Activity:
    return perform(Snooze(until, wakes_on_update, comment), incident, by=by)


def unsnooze(incident: Incident, *, by: Actor) -> Activity:
    return perform(Unsnooze(), incident, by=by)


def share(
    incident: Incident,
    *,
    by: User,
    people: Sequence[User] = (),
    addresses: Sequence[str] = (),
    comment: str = "",
    site: str = "",
) -> Activity:
    return perform(Share(tuple(people), tuple(addresses), comment, site), incident, by=by)


def comment(incident: Incident, *, by: Actor, text: str) -> Activity:
    return perform(Comment(text), incident, by=by)


def prioritise(incident: Incident, priority: Priority | None, *, by: User) -> Activity:
    return perform(Prioritise(priority), incident, by=by)


def set_tag(incident: Incident, tag: IncidentTag, values: Sequence[str], *, by: User) -> Activity:
    return perform(SetTag(tag, tuple(values)), incident, by=by)


def remove_tag(incident: Incident, tag: IncidentTag, *, by: User) -> Activity:
    return perform(RemoveTag(tag), incident, by=by)


__all__ = [
    "Acknowledge",
    "Action",
    "Actor",
    "Assign",
    "Comment",
    "InvalidTransition",
    "Prioritise",
    "RemoveTag",
    "Reopen",
    "Resolve",
    "SetTag",
    "Share",
    "Snooze",
    "Unacknowledge",
    "Unassign",
    "Unsnooze",
    "acknowledge",
    "assign",
    "comment",
    "delete_comment",
    "edit_comment",
    "end_alerts",
    "is_undoable",
    "last_of",
    "merge",
    "move",
    "perform",
    "prioritise",
    "remove_tag",
    "reopen",
    "resolve",
    "resolve_alerts",
    "set_tag",
    "share",
    "snooze",
    "split",
    "split_by_tag",
    "unacknowledge",
    "unassign",
    "undo",
    "unsnooze",
    "wake_those_due",
]
