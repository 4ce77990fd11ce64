"""The contents of the feed, for its page and for live views."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from django.db import models
from django.db.models import QuerySet
from django.db.models.functions import Lower

from alerts.models import Event
from appkeys.models import AppKey
from bpql import SearchStopped
from db import time_limit
from db.keyset import Page, page_after
from incidents.feed import storm
from incidents.feed.filters import STATUSES, IncidentFilter, ListFilter, Sort
from incidents.feed.folders import COUNT_LIMIT, Counts, Folder
from incidents.feed.sidebar import Sidebar
from incidents.feed.storm import Storm
from incidents.models import Incident
from people.models import User

T = TypeVar("T", bound=models.Model)
ROWS = 50  # of one page


def feed_context(asked: IncidentFilter) -> dict[str, Any]:
    """Return the context of feed/feed.html without an open incident."""
    counts = Counts.now(asked.visible, asked.environment)
    page = found_in_time(asked, lambda: page_after(with_people(asked.qs), asked.data.get("after", ""), size=ROWS))
    return {
        "sidebar": Sidebar.of(asked, counts),
        "sources": AppKey.objects.order_by(Lower("name")).values_list("name", flat=True),
        "people": User.objects.filter(is_active=True).order_by(Lower("username")),
        **list_context(asked, counts, page, newest_event_at(), storm.now(asked.user)),
    }


def found_in_time(asked: ListFilter, find: Callable[[], Page[T]]) -> Page[T]:
    """Return a page of a list. A search that takes too long finds nothing, and the error of the list says so."""
    if not asked.is_narrowed:
        return find()
    try:
        with time_limit.limited():
            return find()
    except SearchStopped as stopped:
        asked.stop(stopped)
        return Page([], "", is_first=True)


def list_context(
    asked: IncidentFilter, counts: Counts, page: Page[Incident], last_event_at: datetime | None, storm: Storm | None
) -> dict[str, Any]:
    """Return the context of the list and of what surrounds the list.

    The context is the same for everybody with the same rights.
    """
    here = counts.by_status(asked.folder, asked.environment)
    worst = counts.worst(asked.environment)
    context = {
        "filter": asked,
        "view_query": asked.query(),
        "pills": [
            (status, here.get(status, 0), name in asked.statuses)
            for name, status in STATUSES.items()
            # The status of an incident in maintenance leaves out the alerts in maintenance, so the folder has no pills.
            if asked.folder is not Folder.MAINTENANCE or name in asked.statuses
        ],
        "sorts": list(Sort),
        "worst": worst,
        "of_worst": counts.by_status(Folder.ACTIVE, asked.environment).get(worst, 0),
        "matching_count": _matching_count(asked, counts, page),
        "page": page,
        "last_event_at": last_event_at,
        "storm": storm,
    }
    if not page.rows:
        context["emptiness"] = _emptiness(asked, counts, last_event_at)
        context["hidden_count"] = counts.shown(asked.folder, asked.environment)
        context["last_incident"] = asked.visible.resolved().latest_resolved_first().first()
        context["newest_app_key"] = AppKey.objects.present().order_by("-created_at").first()
    return context


def _matching_count(asked: IncidentFilter, counts: Counts, page: Page[Incident]) -> int | None:
    """Return the number of incidents on all pages, or None where only another query could tell."""
    if page.is_first and not page.next_key:
        return len(page.rows)
    is_uncounted = asked.folder is Folder.RESOLVED and (asked.statuses or counts.resolved >= COUNT_LIMIT)
    if asked.is_searched or is_uncounted:
        return None
    if not asked.statuses:
        return counts.of(asked.folder, asked.environment)
    by_status = counts.by_status(asked.folder, asked.environment)
    return sum(by_status[STATUSES[name]] for name in asked.statuses)


class Emptiness(models.TextChoices):
    """The reason why the list is empty (docs/how-it-works.md §11.2). Silence must not look like a fault."""

    FIRST_RUN = "first_run"  # no App Key yet
    NOTHING_RECEIVED = "nothing_received"  # an App Key, but never an event
    NO_MATCH = "no_match"  # the filter hides what the folder holds
    ALL_CLEAR = "all_clear"  # nothing is open
    ALL_HANDLED = "all_handled"  # each open incident has an owner
    NONE_SNOOZED = "none_snoozed"
    NONE_SHARED = "none_shared"
    NONE_IN_MAINTENANCE = "none_in_maintenance"
    NONE_RESOLVED = "none_resolved"


_EMPTY_FOLDER = {
    Folder.RESOLVED: Emptiness.NONE_RESOLVED,
    Folder.SNOOZED: Emptiness.NONE_SNOOZED,
    Folder.SHARED: Emptiness.NONE_SHARED,
    Folder.MAINTENANCE: Emptiness.NONE_IN_MAINTENANCE,
}


def _emptiness(asked: IncidentFilter, counts: Counts, last_event_at: datetime | None) -> Emptiness:
    if asked.is_stopped or (asked.is_narrowed and counts.of(asked.folder, asked.environment)):
        return Emptiness.NO_MATCH  # a list that was stopped must not say that all is well
    if last_event_at is None and not sum(map(counts.of, Folder)):
        return Emptiness.NOTHING_RECEIVED if AppKey.objects.present().exists() else Emptiness.FIRST_RUN
    if asked.folder in _EMPTY_FOLDER:
        return _EMPTY_FOLDER[asked.folder]
    return Emptiness.ALL_HANDLED if counts.of(Folder.ACTIVE, asked.environment) else Emptiness.ALL_CLEAR


def newest_event_at() -> datetime | None:
    """Return when the newest event was received. The keys of events grow with time."""
    return Event.objects.filter(kind=Event.Kind.SENT).order_by("-pk").values_list("received_at", flat=True).first()


def with_people(incidents: QuerySet[Incident]) -> QuerySet[Incident]:
    """Return incidents together with the people that a row names."""
    return incidents.select_related("assignee", "resolved_by", "acknowledged_by", "snoozed_by")
