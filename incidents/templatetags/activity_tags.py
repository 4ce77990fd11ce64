"""The history of an incident, and the progress of bulk actions, in words."""

from __future__ import annotations

from collections.abc import Sized
from datetime import timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.safestring import SafeString

from incidents import actions
from incidents.actions import Comment, bulk
from incidents.actions.action import action_named, text_of
from incidents.actions.activity_texts import Text, incidents_counted
from incidents.markdown import rendered
from incidents.models import Activity, BulkAction
from people.models import User

register = template.Library()
CARD_TIME = timedelta(seconds=30)  # for which a card shows a result that the person knows


@register.filter
def told(activity: Activity) -> Text:
    """Return what happened, to follow the name of the person or org token that acted."""
    return text_of(activity.kind).tell(activity)


@register.filter
def activity_icon(activity: Activity) -> str:
    return text_of(activity.kind).icon


@register.filter
def can_undo(activity: Activity, user: User) -> bool:
    """Return whether the history offers undo. A comment has a button of its own that deletes it."""
    return activity.kind != Comment.kind and actions.is_undoable(activity, user)


@register.filter
def markdown(text: str) -> SafeString:
    return rendered(text)


@register.filter
def less(number: int, shown: Sized) -> int:
    return number - len(shown)


@register.filter
def is_value_of(value: object, field: Any) -> bool:
    return str(value) == str(field.value())


@register.filter
def is_grouping(bulk_action: BulkAction) -> bool:
    return bulk.is_grouping(bulk_action)


@register.filter
def bulk_title(bulk_action: BulkAction) -> str:
    action = action_named(bulk_action.what)
    return action.bulk_title(bulk_action) if action else incidents_counted(bulk_action.total)


@register.filter
def bulk_result(bulk_action: BulkAction) -> str:
    state, kept, skipped = bulk_action.state, bulk_action.kept_count, bulk_action.skipped_count
    if bulk.is_grouping(bulk_action):
        is_refused = state == BulkAction.State.DONE and not bulk_action.done
        return "not done, its page says why" if is_refused else bulk_action.get_state_display().lower()
    if state in (BulkAction.State.WAITING, BulkAction.State.RUNNING):
        return f"{bulk_action.position:,} of {bulk_action.total:,}"
    if state == BulkAction.State.UNDOING:
        return f"being undone, {bulk_action.position:,} of {bulk_action.total:,}"
    if state == BulkAction.State.UNDONE:
        return f"undone, {kept:,} left as they are" if kept else "undone"
    return f"{bulk_action.done:,} done, {skipped:,} skipped" if skipped else f"{bulk_action.done:,} done"


@register.inclusion_tag("actions/_bulk_cards.html", takes_context=True)
def bulk_cards(context: template.Context) -> dict[str, Any]:
    """Show the bulk actions of the user that run, or whose result the user has not read."""
    request = context["request"]
    untold = BulkAction.objects.filter(by=request.user, announced_at=None).exclude(state=BulkAction.State.ASKED)
    untold = untold.exclude(state=BulkAction.State.UNDONE, kept={}, undone_at__lt=timezone.now() - CARD_TIME)
    return {
        "bulks": list(untold.defer("snapshot", "skipped")[:3]),
        "request": request,
        "csrf_token": context["csrf_token"],
    }


@register.filter
def undoes(message: Any) -> Activity | None:
    """Return the activity that a message offers to undo. The tag of the message names it."""
    word, _, keys = (message.extra_tags or "").partition("-")
    incident, _, activity = keys.partition("-")
    return Activity(pk=int(activity), incident_id=int(incident)) if word == "undo" and activity.isdecimal() else None
