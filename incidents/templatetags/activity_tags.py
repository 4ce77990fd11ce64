"""How the history of an incident, and what was done to many at once, is told."""

from __future__ import annotations

from collections.abc import Callable, Sized
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from incidents import actions
from incidents.actions.forms import FORMS
from incidents.markdown import rendered
from incidents.models import Activity, BulkAction
from people.models import User
from people.templatetags.console_tags import moment

register = template.Library()
Kind = Activity.Kind
Text = str | SafeString
NAMES = 3  # of the alerts that joined in one go
INCIDENTS = 5  # that one line names
MOMENT = timedelta(seconds=30)  # for which somebody is told what they know


@register.filter
def told(activity: Activity) -> Text:
    """What happened, after the name of who did it where a person did."""
    tell = _TOLD.get(activity.kind)
    return tell(activity) if tell else activity.get_kind_display()


@register.filter
def activity_icon(activity: Activity) -> str:
    return _ICONS.get(activity.kind, "activity")


@register.filter
def can_undo(activity: Activity, user: User) -> bool:
    """Comments are deleted at their own line, where their author alone can."""
    return activity.kind != Kind.COMMENTED and actions.is_undoable(activity, user)


@register.filter
def markdown(text: str) -> SafeString:
    return rendered(text)


@register.filter
def less(number: int, shown: Sized) -> int:
    return number - len(shown)


@register.filter
def is_value_of(value: object, field: Any) -> bool:
    return str(value) == str(field.value())


@register.simple_tag
def action_url(name: str, pk: int) -> str:
    return reverse(f"incidents:{name}", args=[pk])


@register.filter
def bulk_title(bulk: BulkAction) -> str:
    count = "1 incident" if bulk.total == 1 else f"{bulk.total:,} incidents"
    if bulk.what in FORMS:
        return FORMS[bulk.what].asked.format(count).rstrip("?")
    said = bulk.arguments
    match bulk.what:
        case "merge":
            return f"Merge {count} into #{said['into']}"
        case "split":
            return f"Split {_alerts(len(said['alerts']))} off"
        case "split_by_tag":
            return f"Split an incident by {said['tag']}"
        case "move":
            return f"Move {_alerts(len(said['alerts']))} to #{said['to']}"
    return f"Remove a tag from {count}"


@register.filter
def bulk_result(bulk: BulkAction) -> str:
    if bulk.is_grouping:
        is_refused = bulk.state == BulkAction.State.DONE and not bulk.done
        return "not done, its page says why" if is_refused else bulk.get_state_display().lower()
    if bulk.state in (BulkAction.State.WAITING, BulkAction.State.RUNNING):
        return f"{bulk.position:,} of {bulk.total:,}"
    if bulk.state == BulkAction.State.UNDOING:
        return f"being undone, {bulk.position:,} of {bulk.total:,}"
    if bulk.state == BulkAction.State.UNDONE:
        return f"undone, {bulk.kept_count:,} left as they are" if bulk.kept_count else "undone"
    return f"{bulk.done:,} done, {bulk.skipped_count:,} skipped" if bulk.skipped_count else f"{bulk.done:,} done"


@register.inclusion_tag("actions/_bulk_cards.html", takes_context=True)
def bulk_cards(context: template.Context) -> dict[str, Any]:
    """What this person has going on, or has not been told the result of."""
    request = context["request"]
    untold = BulkAction.objects.filter(by=request.user, announced_at=None).exclude(state=BulkAction.State.ASKED)
    untold = untold.exclude(state=BulkAction.State.UNDONE, kept={}, undone_at__lt=timezone.now() - MOMENT)
    return {
        "bulks": list(untold.defer("snapshot", "skipped")[:3]),
        "request": request,
        "csrf_token": context["csrf_token"],
    }


@register.filter
def undoes(message: Any) -> Activity | None:
    """The activity that a toast offers to undo: named in the message's tag."""
    word, _, keys = (message.extra_tags or "").partition("-")
    incident, _, activity = keys.partition("-")
    return Activity(pk=int(activity), incident_id=int(incident)) if word == "undo" and activity.isdecimal() else None


# --- what each kind tells


def _joined(activity: Activity) -> Text:
    names, count = activity.details.get("identifiers", []), activity.details.get("count", 0)
    return f"{_alerts(count)} joined: {_listed(names, count)}"


def _resolved(activity: Activity) -> Text:
    ended = activity.details.get("ended", 0)
    return f"resolved the incident by hand{f', which ended {_alerts(ended)}' if ended else ''}"


def _reopened(activity: Activity) -> Text:
    ended = ", which ended its acknowledgement" if activity.details.get("acknowledged") else ""
    return f"Reopened by {activity.details.get('identifier', '')}{ended}"


def _assigned(activity: Activity) -> Text:
    to = activity.details.get("to", "")
    return "took the incident" if activity.by and activity.by.shown_name == to else f"assigned the incident to {to}"


def _snoozed(activity: Activity) -> Text:
    until = moment(datetime.fromisoformat(activity.details["until"]), "exact")
    wakes = ", or until something changes" if activity.details.get("wakes_on_update") else ""
    return format_html("snoozed the incident until {}{}", until, wakes)


def _unsnoozed(activity: Activity) -> Text:
    if activity.is_by_somebody:
        return "ended the snooze"
    why = {
        "time": "its time is over",
        "alert": "an alert joined",
        "worse": "its status got worse",
        "reopened": "it reopened",
    }
    return f"Back from its snooze: {why.get(activity.details.get('why', ''), 'something changed')}"


def _prioritised(activity: Activity) -> Text:
    said, was = activity.details.get("priority"), activity.details.get("was")
    if not said:
        return f"removed the priority {was}"
    return f"changed the priority from {was} to {said}" if was else f"set the priority to {said}"


def _tagged(activity: Activity) -> Text:
    return f"set {activity.details['name']} to {', '.join(activity.details['is'])}"


def _untagged(activity: Activity) -> Text:
    return f"removed {activity.details['name']}, which was {', '.join(activity.details['was'])}"


def _merged_into_this(activity: Activity) -> Text:
    return format_html("merged {} into this incident", _incidents(activity.details["incidents"]))


def _merged_away(activity: Activity) -> Text:
    return format_html("merged this incident into {}", _incident(activity.details["into"], activity.details["title"]))


def _split_from_this(activity: Activity) -> Text:
    made = activity.details["incidents"]
    count = sum(each["alerts"] for each in made)
    return format_html("split {} off into {}", _alerts(count), _incidents(made))


def _split_off(activity: Activity) -> Text:
    origin = _incident(activity.details["from"], activity.details["title"])
    return format_html("split this incident, with {}, off {}", _alerts(activity.details["alerts"]), origin)


def _moved_away(activity: Activity) -> Text:
    to = _incident(activity.details["to"], activity.details["title"])
    return format_html("moved {} to {}: {}", _alerts(activity.details["alerts"]), to, _moved_names(activity))


def _moved_here(activity: Activity) -> Text:
    origin = _incident(activity.details["from"], activity.details["title"])
    return format_html("moved {} here from {}: {}", _alerts(activity.details["alerts"]), origin, _moved_names(activity))


def _undone(activity: Activity) -> Text:
    word = Kind(activity.details["of"]).label if activity.details.get("of") in Kind else "an action"
    return f"undid: {word[0].lower()}{word[1:]}"


def _moved_names(activity: Activity) -> str:
    return _listed(activity.details["identifiers"], activity.details["alerts"])


def _alerts(count: int) -> str:
    return "1 alert" if count == 1 else f"{count:,} alerts"


def _listed(names: list[str], count: int) -> str:
    more = count - len(names[:NAMES])
    return f"{', '.join(names[:NAMES])}{f' and {more:,} more' if more > 0 else ''}"


def _incident(pk: int, title: str) -> SafeString:
    return format_html('<a href="{}">#{} {}</a>', reverse("incidents:detail", args=[pk]), pk, title)


def _incidents(made: list[dict[str, Any]]) -> SafeString:
    links = format_html_join(
        ", ",
        "{}",
        ((_incident(each["incident"], each.get("title") or each.get("value", "")),) for each in made[:INCIDENTS]),
    )
    more = len(made) - INCIDENTS
    return format_html("{} and {} more", links, more) if more > 0 else links


_TOLD: dict[str, Callable[[Activity], Text]] = {
    Kind.CREATED: lambda each: f"The first alert opened the incident: {each.details.get('identifier', '')}",
    Kind.ALERTS_JOINED: _joined,
    Kind.RESOLVED_BY_HAND: _resolved,
    Kind.ALERTS_RESOLVED: lambda each: (
        f"resolved {_alerts(each.details['ended'])}{'' if each.by_token else ' by hand'}"
    ),
    Kind.REOPENED_BY_HAND: lambda each: "reopened the incident",
    Kind.RESOLVED_BY_ALERTS: lambda each: (
        f"Resolved: every alert is ok, the last was {each.details.get('identifier', '')}"
    ),
    Kind.REOPENED: _reopened,
    Kind.ACKNOWLEDGED: lambda each: "acknowledged the incident",
    Kind.UNACKNOWLEDGED: lambda each: "took the acknowledgement back",
    Kind.ASSIGNED: _assigned,
    Kind.UNASSIGNED: lambda each: "released the incident",
    Kind.SNOOZED: _snoozed,
    Kind.UNSNOOZED: _unsnoozed,
    Kind.SHARED: lambda each: f"shared the incident with {', '.join(each.details['to'])}",
    Kind.COMMENTED: lambda each: "commented",
    Kind.COMMENT_EDITED: lambda each: "changed a comment",
    Kind.COMMENT_DELETED: lambda each: "deleted a comment",
    Kind.PRIORITISED: _prioritised,
    Kind.TAG_UPDATED: _tagged,
    Kind.TAG_REMOVED: _untagged,
    Kind.MERGED_INTO_THIS: _merged_into_this,
    Kind.MERGED_AWAY: _merged_away,
    Kind.SPLIT_FROM_THIS: _split_from_this,
    Kind.SPLIT_OFF: _split_off,
    Kind.MOVED_AWAY: _moved_away,
    Kind.MOVED_HERE: _moved_here,
    Kind.UNDONE: _undone,
}
_ICONS: dict[str, str] = {
    Kind.CREATED: "bell-ring",
    Kind.ALERTS_JOINED: "layers",
    Kind.REOPENED: "repeat",
    Kind.REOPENED_BY_HAND: "repeat",
    Kind.RESOLVED_BY_ALERTS: "check",
    Kind.RESOLVED_BY_HAND: "hand",
    Kind.ALERTS_RESOLVED: "hand",
    Kind.ACKNOWLEDGED: "eye",
    Kind.UNACKNOWLEDGED: "eye-off",
    Kind.ASSIGNED: "user-plus",
    Kind.UNASSIGNED: "user-minus",
    Kind.SNOOZED: "alarm-clock",
    Kind.UNSNOOZED: "alarm-clock",
    Kind.SHARED: "share-2",
    Kind.COMMENTED: "message-square",
    Kind.COMMENT_EDITED: "message-square",
    Kind.COMMENT_DELETED: "message-square",
    Kind.PRIORITISED: "flag",
    Kind.TAG_UPDATED: "tag",
    Kind.TAG_REMOVED: "tag",
    Kind.MERGED_INTO_THIS: "merge",
    Kind.MERGED_AWAY: "merge",
    Kind.SPLIT_FROM_THIS: "split",
    Kind.SPLIT_OFF: "split",
    Kind.MOVED_AWAY: "split",
    Kind.MOVED_HERE: "split",
    Kind.UNDONE: "undo-2",
}
