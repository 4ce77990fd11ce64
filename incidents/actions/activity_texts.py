"""Texts of the history: the title, the icon and the sentence of an activity, by its kind.

The texts of an action stand in the declaration of the action. This module holds the texts of what correlation does by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from incidents.models import Activity, access

Kind = Activity.Kind
Text = str | SafeString
NAMES_SHOWN = 3  # of the alerts that joined or moved in one activity
INCIDENTS_SHOWN = 5  # of the incidents that one activity names


@dataclass(frozen=True)
class ActivityText:
    """The texts of one kind of activity."""

    title: str  # in messages, and in the history of what was undone
    icon: str = "activity"
    # The predicate of a sentence whose subject is the person or the org token; a whole sentence where correlation acted.
    sentence: Callable[[Activity], Text] | None = None

    def tell(self, activity: Activity) -> Text:
        return self.sentence(activity) if self.sentence else self.title


def unknown_kind(kind: str) -> ActivityText:
    """Return the text of a kind whose action is not in this release any more."""
    return ActivityText(kind.removeprefix("incident_").replace("_", " ").capitalize() or "An action")


def _joined(activity: Activity) -> Text:
    names, count = activity.details.get("identifiers", []), activity.details.get("count", 0)
    return f"{alerts_counted(count)} joined: {names_listed(names, count)}"


def _reopened(activity: Activity) -> Text:
    ended = ", which ended its acknowledgement" if activity.details.get("acknowledged") else ""
    return f"Reopened by {activity.details.get('identifier', '')}{ended}"


CORRELATION_TEXTS: Mapping[str, ActivityText] = {
    Kind.CREATED: ActivityText(
        "Incident created",
        "bell-ring",
        lambda each: f"The first alert opened the incident: {each.details.get('identifier', '')}",
    ),
    Kind.ALERTS_JOINED: ActivityText("Alerts joined", "layers", _joined),
    Kind.REOPENED: ActivityText("Reopened", "repeat", _reopened),
    Kind.RESOLVED_BY_ALERTS: ActivityText(
        "Resolved: every alert is ok",
        "check",
        lambda each: f"Resolved: every alert is ok, the last was {each.details.get('identifier', '')}",
    ),
    Kind.BEGAN_TO_FLAP: ActivityText("Flapping"),
    Kind.STOPPED_FLAPPING: ActivityText("No longer flapping"),
}


# --- parts of sentences


def alerts_counted(count: int) -> str:
    return "1 alert" if count == 1 else f"{count:,} alerts"


def incidents_counted(count: int) -> str:
    return "1 incident" if count == 1 else f"{count:,} incidents"


def names_listed(names: Sequence[str], count: int) -> str:
    """Return the first of the names, and how many more there are of `count` in all."""
    shown = names[:NAMES_SHOWN]
    more = count - len(shown)
    return f"{', '.join(shown)}{f' and {more:,} more' if more > 0 else ''}"


def incident_link(activity: Activity, pk: int, title: str) -> Text:
    """Return a link to another incident that an activity names, where the reader may see that incident."""
    if pk not in activity.seen:
        return access.HIDDEN
    return format_html('<a href="{}">#{} {}</a>', reverse("incidents:detail", args=[pk]), pk, title)


def incident_links(activity: Activity) -> Text:
    """Return links to the incidents of a merge or a split: each part has `incident`, and `title` or `value`."""
    parts: Sequence[Mapping[str, Any]] = activity.details["incidents"]
    seen = [each for each in parts if each["incident"] in activity.seen]
    links = [
        incident_link(activity, each["incident"], each.get("title") or each.get("value", ""))
        for each in seen[:INCIDENTS_SHOWN]
    ]
    hidden = len(parts) - len(seen)
    if hidden:
        links.append(access.HIDDEN if hidden == 1 else f"{hidden:,} incidents that you may not see")
    more = len(seen) - INCIDENTS_SHOWN
    listed = format_html_join(", ", "{}", ((link,) for link in links))
    return format_html("{} and {} more", listed, more) if more > 0 else listed
