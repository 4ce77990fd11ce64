"""Undo of any action from the history, or of the last action of a user."""

from __future__ import annotations

from incidents.actions.action import InvalidTransition, action_of_kind, kinds_of_actions
from incidents.actions.comments import must_be_author
from incidents.models import Activity, access
from people.models import User


def is_undoable(activity: Activity, user: User) -> bool:
    """Return whether the history offers undo. `undo` itself decides whether undo is still possible."""
    if not user.may_act or activity.undone_at or not activity.is_by_somebody:
        return False
    action = action_of_kind(activity.kind)
    return action is not None and (activity.by_id == user.pk or not action.only_by_author)


def undo(activity: Activity, *, by: User) -> Activity:
    """Undo an action, and return the activity of the undo. One side of a merge, split or move undoes the whole.

    Raises InvalidTransition where the action was undone already, or its result was changed since.
    """
    activity = activity.part_of or activity
    action = action_of_kind(activity.kind)
    if action is None:
        raise InvalidTransition("This is not something that can be undone.")
    if action.only_by_author:
        must_be_author(activity, by)
    return action.undo(activity, by=by)


def last_of(user: User) -> Activity | None:
    """Return the last action of a user that was not undone, among the incidents that the user may act on."""
    own = Activity.objects.filter(by=user, undone_at=None, part_of=None, kind__in=kinds_of_actions())
    if closed := access.closed_to_acting(user):
        own = own.exclude(incident__membership__in=closed)
    return own.select_related("bulk", "incident").order_by("-pk").first()
