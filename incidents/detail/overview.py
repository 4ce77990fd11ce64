"""The overview of an incident: its links, its worst alerts, and why its alerts belong together."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from django.db import models

from alerts.events import Status, shown
from alerts.links import Link, links_of
from alerts.models import Alert
from incidents.explain.why import in_words
from incidents.models import Activity, Incident
from incidents.models.pattern import window_in_words

BY_HAND = (Activity.Kind.MERGED_INTO_THIS, Activity.Kind.MOVED_HERE, Activity.Kind.SPLIT_OFF)
LINKS_OF = 300  # alerts whose links are shown: the worst, then the newest change
LINKS_PER_NAME = 3
WORST = 5


@dataclass(frozen=True, slots=True)
class IncidentLinks:
    """The different links of the alerts of an incident. Links that all alerts share come first."""

    shown: tuple[Link, ...]
    more: int  # different links that are not shown here but with their alerts
    looked_at: int  # alerts whose links were read


def links_of_incident(incident: Incident) -> IncidentLinks:
    """Return the links of an incident, a few for each name, so that one graph per alert does not hide the runbook."""
    shared = links_of(incident.shared_tags)
    tags = list(worst_first(incident).values_list("tags", flat=True)[:LINKS_OF]) if incident.alerts_count > 1 else []
    own: dict[str, dict[str, None]] = defaultdict(dict)
    known = {link.url for link in shared}
    for each in tags:
        for link in links_of(each):
            if link.url not in known:
                own[link.name][link.url] = None
    kept = [Link(name, url) for name, urls in own.items() for url in list(urls)[:LINKS_PER_NAME]]
    more = sum(map(len, own.values())) - len(kept)
    return IncidentLinks((*shared, *numbered(kept)), more, max(len(tags), 1))


def numbered(links: list[Link]) -> list[Link]:
    """Return links with a number behind a name that occurs several times."""
    by_name: dict[str, list[Link]] = defaultdict(list)
    for link in links:
        by_name[link.name].append(link)
    return [
        link if len(alike) == 1 else Link(f"{name} {number}", link.url)
        for name, alike in by_name.items()
        for number, link in enumerate(alike, 1)
    ]


def worst_first(incident: Incident) -> models.QuerySet[Alert]:
    """Return the alerts of an incident, the worst first, then the newest change."""
    return incident.alerts.order_by("-status", "-changed_at", "-pk")


def worst_alerts(incident: Incident) -> list[Alert]:
    """Return the worst alerts. Of a resolved incident, return the alerts that changed last."""
    return list(worst_first(incident).select_related("app_key", "maintenance_plan")[:WORST])


def status_counts(incident: Incident) -> list[tuple[Status, int]]:
    """Return the number of alerts by status, the worst status first, without statuses that no alert has."""
    return [(status, incident.status_counts[status]) for status in reversed(Status) if incident.status_counts[status]]


def undoable_resolve(incident: Incident) -> Activity | None:
    """Return the manual resolve that closed the incident, or None if another change followed."""
    if incident.resolved_by_id is None:
        return None
    manual = incident.activities.filter(kind=Activity.Kind.RESOLVED_BY_HAND, undone_at=None)
    return manual.select_related("by").order_by("-at", "-pk").first()


def why_together(incident: Incident) -> str:
    """Return a sentence that says why the alerts belong together."""
    valid = incident.matchers.filter(valid=True, brought_from=None)
    matcher = valid.order_by("pk").first()
    values = in_words(matcher.values) if matcher else ""
    window = window_in_words(matcher.time_window) if matcher else ""
    if incident.alerts_count == 1:
        if not matcher or not incident.is_open:
            return "It is one alert; no pattern leads others to it."
        return f"It is one alert so far. Others join it that have the same {values} and start within {window}."
    shared = {tag: shown(value) for tag, value in incident.shared_tags.items()}
    if matcher and all(shared.get(tag) == value for tag, value in matcher.values):
        return f"All {incident.alerts_count:,} alerts have the same {values}, and started within {window}."
    if incident.activities.filter(kind__in=BY_HAND, undone_at=None).exists():
        return "People put its alerts together by hand."
    if matcher:
        return f"They joined by the same {values}, within {window}; some have other values by now."
    return "They joined by one pattern after another."
