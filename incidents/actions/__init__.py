"""Actions: the changes that people and scripts make to incidents, each with its undo.

An action writes its change and an `Activity` in one transaction. `incidents.actions.action` holds the frame.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from incidents.actions.action import Action, Actor, InvalidTransition, register
from incidents.actions.comments import Comment, DeleteComment, EditComment, delete_comment, edit_comment
from incidents.actions.grouping import Merge, Move, Split, SplitByTag
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
from incidents.actions.resolving import Reopen, Resolve, ResolveAlerts, end_alerts, resolve_alerts
from incidents.actions.sharing import Share
from incidents.actions.tags import RemoveTag, SetTag
from incidents.actions.undo import is_undoable, last_of, undo
from incidents.models import Activity, Incident, IncidentTag, Priority
from people.models import User

register(
    *(Resolve, Reopen, Acknowledge, Unacknowledge, Assign, Unassign, Snooze, Unsnooze),
    *(Comment, Share, Prioritise, SetTag, Merge, Split),
    *(RemoveTag, ResolveAlerts, EditComment, DeleteComment, SplitByTag, Move),
)


def resolve(incident: Incident, *, by: User, comment: str = "") -> Activity:
    return Resolve(comment).perform(incident, by=by)


def reopen(incident: Incident, *, by: User, comment: str = "") -> Activity:
    return Reopen(comment).perform(incident, by=by)


def acknowledge(incident: Incident, *, by: User) -> Activity:
    return Acknowledge().perform(incident, by=by)


def unacknowledge(incident: Incident, *, by: User) -> Activity:
    return Unacknowledge().perform(incident, by=by)


def assign(incident: Incident, *, to: User, by: User) -> Activity:
    return Assign(to).perform(incident, by=by)


def unassign(incident: Incident, *, by: User) -> Activity:
    return Unassign().perform(incident, by=by)


def snooze(
    incident: Incident, *, until: datetime, by: Actor, wakes_on_update: bool = False, comment: str = ""
) -> Activity:
    return Snooze(until, wakes_on_update, comment).perform(incident, by=by)


def unsnooze(incident: Incident, *, by: Actor) -> Activity:
    return Unsnooze().perform(incident, by=by)


def share(
    incident: Incident,
    *,
    by: User,
    people: Sequence[User] = (),
    addresses: Sequence[str] = (),
    comment: str = "",
    site: str = "",
) -> Activity:
    return Share(tuple(people), tuple(addresses), comment, site).perform(incident, by=by)


def comment(incident: Incident, *, by: Actor, text: str) -> Activity:
    return Comment(text).perform(incident, by=by)


def prioritise(incident: Incident, priority: Priority | None, *, by: User) -> Activity:
    return Prioritise(priority).perform(incident, by=by)


def set_tag(incident: Incident, tag: IncidentTag, values: Sequence[str], *, by: User) -> Activity:
    return SetTag(tag, tuple(values)).perform(incident, by=by)


def remove_tag(incident: Incident, tag: IncidentTag, *, by: User) -> Activity:
    return RemoveTag(tag).perform(incident, by=by)


def merge(into: Incident, sources: Collection[Incident], *, by: User, comment: str = "") -> Activity:
    return Merge(comment=comment, into=into.pk, sources=tuple(each.pk for each in sources)).perform(by=by)


def split(incident: Incident, alerts: Collection[int], *, by: User, comment: str = "") -> Activity:
    return Split(comment=comment, incident=incident.pk, alerts=tuple(alerts)).perform(by=by)


def split_by_tag(incident: Incident, tag: str, *, by: User, comment: str = "") -> Activity:
    return SplitByTag(comment=comment, incident=incident.pk, tag=tag).perform(by=by)


def move(incident: Incident, alerts: Collection[int], *, to: Incident, by: User, comment: str = "") -> Activity:
    return Move(comment=comment, incident=incident.pk, alerts=tuple(alerts), to=to.pk).perform(by=by)


__all__ = [
    "Acknowledge",
    "Action",
    "Actor",
    "Assign",
    "Comment",
    "InvalidTransition",
    "Merge",
    "Move",
    "Prioritise",
    "RemoveTag",
    "Reopen",
    "Resolve",
    "SetTag",
    "Share",
    "Snooze",
    "Split",
    "SplitByTag",
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
