"""What the feed's page shows, for the page itself and for those who watch it live."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models.functions import Lower

from appkeys.models import AppKey
from db.keyset import Page, page_after
from incidents.feed import folders, storm
from incidents.feed.filters import STATUSES, IncidentFilter, Sort
from incidents.feed.folders import Counts
from incidents.feed.sidebar import Sidebar
from incidents.feed.storm import Storm
from incidents.models import Incident
from people.models import User


def feed_context(asked: IncidentFilter) -> dict[str, Any]:
    """Beside an open incident, or without one."""
    counts = Counts.now(asked.visible, asked.environment)
    return {
        "sidebar": Sidebar.of(asked, counts),
        "sources": AppKey.objects.order_by(Lower("name")).values_list("name", flat=True),
        "people": User.objects.filter(is_active=True).order_by(Lower("username")),
        **rows_context(asked, counts),
    }


def rows_context(asked: IncidentFilter, counts: Counts) -> dict[str, Any]:
    """The part of it that follows what happens: the same for everybody who has the same rights."""
    page = page_after(folders.rows(asked.qs), asked.data.get("after", ""), size=folders.ROWS)
    return moving_context(asked, counts, page, folders.last_event_at(), storm.now(asked.user))


def moving_context(
    asked: IncidentFilter, counts: Counts, page: Page[Incident], last_event_at: datetime | None, storm: Storm | None
) -> dict[str, Any]:
    here = counts.by_status(asked.folder, asked.environment)
    worst = counts.worst(asked.environment)
    context = {
        "filter": asked,
        "view_query": asked.query(),
        "pills": [
            (status, here.get(status, 0), name in asked.statuses)
            for name, status in STATUSES.items()
            # What waits in maintenance has no status that calls for anybody.
            if asked.folder is not folders.Folder.MAINTENANCE or name in asked.statuses
        ],
        "sorts": list(Sort),
        "worst": worst,
        "of_worst": counts.by_status(folders.Folder.ACTIVE, asked.environment).get(worst, 0),
        "matching_count": _matching_count(asked, counts, page),
        "page": page,
        "last_event_at": last_event_at,
        "storm": storm,
    }
    if not page.rows:
        context["emptiness"] = folders.emptiness(
            asked.folder, counts, asked.environment, last_event_at=last_event_at, is_filtered=asked.is_narrowed
        )
        context["hidden_count"] = counts.shown(asked.folder, asked.environment)
        context["last_incident"] = folders.last_incident(asked.visible)
        context["newest_app_key"] = folders.newest_app_key()
    return context


def _matching_count(asked: IncidentFilter, counts: Counts, page: Page[Incident]) -> int | None:
    """How many the view holds on all its pages, where that is known without counting them."""
    if page.is_first and not page.next_key:
        return len(page.rows)
    is_uncounted = asked.folder is folders.Folder.RESOLVED and (
        asked.statuses or counts.resolved >= folders.COUNT_LIMIT
    )
    if asked.is_searched or is_uncounted:
        return None
    if not asked.statuses:
        return counts.of(asked.folder, asked.environment)
    by_status = counts.by_status(asked.folder, asked.environment)
    return sum(by_status[STATUSES[name]] for name in asked.statuses)
