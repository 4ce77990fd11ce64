"""Tags and filters for incidents, their rows in the feed, and their alerts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from alerts.events import Status, shown
from alerts.links import Link, links_of
from alerts.models import Alert
from alerts.templatetags.alert_tags import status_badge
from incidents.feed.filters import IncidentFilter, Sort
from incidents.feed.folders import Folder
from incidents.models import Incident
from people.templatetags.console_tags import icon

register = template.Library()

ROW_TAGS = 2
TELLING_TAGS = ("environment", "cluster", "service", "application", "team", "region")  # shown before other tags
TAG_LIMIT = 40  # characters; a row has no room for a longer value
LONG_NAME = 24  # characters; a shorter name is cut at its end where there is no room
TAIL = 10  # characters at the end of a long name that stay in sight
HOST = re.compile(r"[\w-]+(\.[\w-]+)+")


@register.simple_tag
def incident_badge(incident: Incident) -> SafeString:
    if incident.is_in_maintenance:
        return format_html('<span class="status status-maintenance">{}<span>Maintenance</span></span>', icon("wrench"))
    return status_badge(incident.status) if incident.is_open else status_badge(Status.OK, "Resolved")


@dataclass(frozen=True, slots=True)
class QueryPlace:
    """A query before, at and after the character of its error."""

    before: str
    at: str
    after: str


@register.simple_tag
def query_place(text: str, position: int) -> QueryPlace:
    around = 24
    start = max(0, position - around)
    at = text[position : position + 1] or " "
    return QueryPlace(("…" if start else "") + text[start:position], at, text[position + 1 : position + 1 + around])


@register.simple_tag
def sort_header(view: IncidentFilter, sort: str, word: str, classes: str, told: str = "") -> SafeString:
    """Return the header of a column, with a link that sorts by the column where the folder can be sorted.

    `told` names the order where the word of the column does not.
    """
    if view.folder is Folder.RESOLVED:
        return format_html('<th scope="col" class="{}">{}</th>', classes, word)
    chosen = Sort(sort)
    return format_html(
        '<th scope="col" class="{}"{}><a class="sort" href="{}{}" title="Sort: {}">{}{}{}</a></th>',
        classes,
        mark_safe(' aria-sort="descending"') if view.sort is chosen else "",
        reverse("incidents:feed"),
        view.query(sort=chosen.value),
        chosen.words,
        word,
        format_html(' <span class="sort-told">{}</span>', told) if told and view.sort is chosen else "",
        icon("arrow-down") if view.sort is chosen else "",
    )


@register.simple_tag
def next_page(view: IncidentFilter, key: str) -> str:
    """Return the query string of the page that begins after a row."""
    query = view.query()
    return f"{query}{'&' if query else '?'}{urlencode({'after': key})}"


@register.simple_tag
def with_status(view: IncidentFilter, status: Status) -> str:
    """Return the query string of the feed with a status added, or removed if present."""
    return view.toggled(status.name.lower())


@register.filter
def numbered(incident: Incident, title: str = "") -> str:
    """Return "Incident #12", and its title where one is given."""
    return f"Incident #{incident.pk}{': ' if title else ''}{title}"


@register.filter
def ribbon(incident: Incident) -> str:
    if incident.is_in_maintenance:
        return "maintenance"
    return Status(incident.status).name.lower() if incident.is_open else "ok"


@register.simple_tag
def middle(name: str) -> SafeString:
    """Return a name whose middle is cut where there is no room, because names differ at their ends.

    The name of a host loses its DNS suffix first.
    """
    if len(name) < LONG_NAME or " " in name:
        return format_html("{}", name)
    label, dot, domain = name.partition(".") if HOST.fullmatch(name) else (name, "", "")
    head, tail = (label[:-TAIL], label[-TAIL:]) if len(label) >= LONG_NAME else (label, "")
    parts = {"head": head, "tail": tail, "domain": dot + domain}
    spans = format_html_join(
        "", '<span class="middle-{}">{}</span>', ((part, text) for part, text in parts.items() if text)
    )
    return format_html('<span class="middle">{}</span>', spans)


@dataclass(frozen=True, slots=True)
class RowTags:
    """The tags of a row, and the number of tags that have no room."""

    shown: list[tuple[str, str]]
    more: int


@register.simple_tag
def row_tags(incident: Incident) -> RowTags:
    """Return the two tags that say most beside the title.

    These tags are short, are no links, and do not repeat the title.
    """
    said = f"{incident.title} {incident.subtitle}"
    values = [(name, shown(value)) for name, value in incident.shared_tags.items()]
    telling = [
        (name, value) for name, value in values if len(value) <= TAG_LIMIT and value not in said and "://" not in value
    ]
    telling.sort(key=lambda tag: (TELLING_TAGS.index(tag[0]) if tag[0] in TELLING_TAGS else len(TELLING_TAGS), tag[0]))
    return RowTags(telling[:ROW_TAGS], len(values) - len(telling[:ROW_TAGS]))


@register.simple_tag
def own_links(alert: Alert, incident: Incident) -> list[Link]:
    """Return the links of an alert that not all alerts of its incident share. The overview shows the shared links."""
    shared = incident.shared_tags
    return links_of({name: value for name, value in alert.tags.items() if shared.get(name) != value})


@register.filter
def people_named(shared_with: list[list[str]]) -> str:
    """Return the names of the people with whom an incident is shared."""
    return ", ".join(name for _, name in shared_with)


@register.filter
def description(alert: Alert) -> str:
    """Return the description that the sender gave, or empty text."""
    return shown(alert.tags.get("description", ""))
