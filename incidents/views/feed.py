"""The feed, and what stands beside it."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from incidents import feed as the_feed
from incidents.filters import STATUSES, IncidentFilter
from people.access import SignedInRequest
from people.keyset import page_after


@require_safe
@vary_on_headers("HX-Request", "HX-Target")
def feed(request: SignedInRequest) -> HttpResponse:
    """The whole page, or for a refresh its live part alone."""
    if request.htmx.target == "feed":
        return render(request, "incidents/_feed.html", {**feed_context(request), "is_refresh": True})
    return render(request, "incidents/feed.html", feed_context(request))


def feed_context(request: SignedInRequest) -> dict[str, Any]:
    asked = IncidentFilter(request.GET)
    counts = the_feed.Counts.now()
    last_event_at = the_feed.last_event_at()
    page = page_after(the_feed.rows(asked.qs), request.GET.get("after", ""), size=the_feed.ROWS)
    context = {
        "filter": asked,
        "folder": asked.folder,
        "folders": [(folder, counts.shown(folder), asked.query(folder=folder)) for folder in the_feed.Folder],
        "pills": [
            (status, counts.by_status(asked.folder).get(status, 0), name in asked.statuses)
            for name, status in STATUSES.items()
        ],
        "counts": counts,
        "page": page,
        "last_event_at": last_event_at,
    }
    if not page.rows:
        context["emptiness"] = the_feed.emptiness(
            asked.folder, counts, last_event_at=last_event_at, is_filtered=asked.is_narrowed
        )
        context["hidden_count"] = counts.shown(asked.folder)
        context["last_incident"] = the_feed.last_incident()
        context["newest_app_key"] = the_feed.newest_app_key()
    return context
