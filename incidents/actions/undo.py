"""Taking actions back: any one from the history, or the last that a person did."""

from __future__ import annotations

from collections.abc import Callable

from incidents.actions import grouping
from incidents.actions.action import Action, InvalidTransition, undo_one
from incidents.actions.comments import Comment, DeleteComment, EditComment
from incidents.actions.handling import Acknowledge, Assign, Prioritise, Snooze, Unacknowledge, Unassign, Unsnooze
from incidents.actions.resolving import Reopen, Resolve, ResolveAlerts
from incidents.actions.sharing import Share
from incidents.actions.tags import RemoveTag, SetTag
from incidents.models import Activity
from people.models import User

Kind = Activity.Kind
_ACTIONS: tuple[type[Action], ...] = (
    Resolve,
    ResolveAlerts,
    Reopen,
    Acknowledge,
    Unacknowledge,
    Assign,
    Unassign,
    Snooze,
    Unsnooze,
    Prioritise,
    Share,
    Comment,
    EditComment,
    DeleteComment,
    SetTag,
    RemoveTag,
)
BY_KIND: dict[str, type[Action]] = {action.kind: action for action in _ACTIONS}
_GROUPINGS: dict[str, Callable[..., Activity]] = {
    Kind.MERGED_INTO_THIS: grouping.undo_merge,
    Kind.SPLIT_FROM_THIS: grouping.undo_split,
    Kind.MOVED_AWAY: grouping.undo_move,
}
_OTHER_SIDES = (Kind.MERGED_AWAY, Kind.SPLIT_OFF, Kind.MOVED_HERE)
_OWN = (Kind.COMMENTED, Kind.COMMENT_EDITED, Kind.COMMENT_DELETED)


def is_undoable(activity: Activity, user: User) -> bool:
    """Whether this person may try: undo itself says whether it is still possible."""
    if not user.may_act or activity.undone_at or not activity.is_by_somebody:
        return False
    if activity.kind in _OWN and activity.by_id != user.pk:
        return False
    return activity.kind in BY_KIND or activity.kind in _GROUPINGS or activity.kind in _OTHER_SIDES


def undo(activity: Activity, *, by: User) -> Activity:
    """Take an action back; that of one side of a merge, split or move takes back the whole.

    Raises InvalidTransition when it was undone already, or when what it did was changed since.
    """
    activity = activity.part_of or activity
    if activity.kind in _OWN and activity.by_id != by.pk:
        raise InvalidTransition("Only who wrote a comment may change it.")
    if undo_grouping := _GROUPINGS.get(activity.kind):
        return undo_grouping(activity, by=by)
    if action := BY_KIND.get(activity.kind):
        return undo_one(action, activity, by=by)
    raise InvalidTransition("This is not something that can be undone.")


def last_of(user: User) -> Activity | None:
    """The last action of this person that was not undone."""
    own = Activity.objects.filter(by=user, undone_at=None, part_of=None, kind__in=[*BY_KIND, *_GROUPINGS])
    return own.select_related("bulk", "incident").order_by("-pk").first()
