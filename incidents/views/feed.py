"""The feed, and what stands beside it."""

from __future__ import annotations

from typing import Any

from django.db.models.functions import Lower
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from appkeys.models import AppKey
from incidents import feed as the_feed
from incidents.filters import STATUSES, IncidentFilter, Sort
from incidents.rail import Rail
from people.access import SignedInRequest
from people.keyset import page_after
from people.models import User


@require_safe
@vary_on_headers("HX-Request", "HX-Target")
def feed(request: SignedInRequest) -> HttpResponse:
    """The whole page, or for a refresh its live part alone."""
    context = feed_context(IncidentFilter(request.GET, request.user))
    if request.htmx.target == "feed":
        return render(request, "incidents/_feed.html", {**context, "is_refresh": True})
    return render(request, "incidents/feed.html", context)


def feed_context(asked: IncidentFilter) -> dict[str, Any]:
    """What the page shows beside an open incident, or without one."""
    counts = the_feed.Counts.now(asked.visible, asked.environment)
    return {
        "rail": Rail.of(asked, counts),
        "sources": AppKey.objects.order_by(Lower("name")).values_list("name", flat=True),
        "people": User.objects.filter(is_active=True).order_by(Lower("username")),
        **rows_context(asked, counts),
    }


def rows_context(asked: IncidentFilter, counts: the_feed.Counts) -> dict[str, Any]:
    """The part of it that follows what happens: the same for everybody who has the same rights."""
    here = counts.by_status(asked.folder, asked.environment)
    worst = counts.worst(asked.environment)
    page = page_after(the_feed.rows(asked.qs), asked.data.get("after", ""), size=the_feed.ROWS)
    last_event_at = the_feed.last_event_at()
    context = {
        "filter": asked,
        "view_query": asked.query(),
        "pills": [(status, here.get(status, 0), name in asked.statuses) for name, status in STATUSES.items()],
        "sorts": list(Sort),
        "worst": worst,
        "of_worst": counts.by_status(the_feed.Folder.ACTIVE, asked.environment).get(worst, 0),
        "matching": counts.of(asked.folder, asked.environment) if not asked.is_narrowed else None,
        "page": page,
        "last_event_at": last_event_at,
    }
    if not page.rows:
        context["emptiness"] = the_feed.emptiness(
            asked.folder, counts, asked.environment, last_event_at=last_event_at, is_filtered=asked.is_narrowed
        )
        context["hidden_count"] = counts.shown(asked.folder, asked.environment)
        context["last_incident"] = the_feed.last_incident(asked.visible)
        context["newest_app_key"] = the_feed.newest_app_key()
    return context
