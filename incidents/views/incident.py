"""One incident beside the feed: its parts, each a tab."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from alerts.links import links_of
from incidents import feed as the_feed
from incidents.filters import IncidentFilter
from incidents.models import Incident
from incidents.views.feed import feed_context
from incidents.why import explain
from people.access import SignedInRequest
from people.keyset import page_after

ALERTS_PER_PAGE = 100
ACTIVITIES_PER_PAGE = 100
PEOPLE = ("assignee", "assigned_by", "acknowledged_by", "snoozed_by")


@require_safe
@vary_on_headers("HX-Request", "HX-Target")
def detail(request: SignedInRequest, pk: int, tab: str = "alerts") -> HttpResponse:
    """An incident beside the feed; its pane alone where the feed stands already, and for a refresh only what changes."""
    incident = get_object_or_404(
        Incident.objects.visible_to(request.user)
        .select_related(*PEOPLE, "follows")
        .prefetch_related("tag_values__tag"),
        pk=pk,
    )
    if incident.merged_into_id and tab != "activity":  # its history stays its own; its alerts are there
        return redirect("incidents:detail", incident.merged_into_id)
    context = incident_context(request, incident, tab)
    return answer(request, context)


def incident_context(request: SignedInRequest, incident: Incident, tab: str) -> dict[str, Any]:
    context: dict[str, Any] = {
        "incident": incident,
        "tab": tab,
        "undoable": the_feed.undoable(incident),
        "links": links_of(incident.shared_tags),
        "view_query": IncidentFilter(request.GET, request.user).query(),
        "pane_url": _url(incident, tab, request),
        "activities_count": incident.activities.count(),
    }
    after = request.GET.get("pane_after", "")
    if tab == "activity":
        activities = incident.activities.select_related("by", "bulk").order_by("-at", "-pk")
        context["activities"] = page_after(activities, after, size=ACTIVITIES_PER_PAGE)
    else:
        alerts = incident.alerts.select_related("app_key").order_by("-status", "-changed_at", "-pk")
        context["alerts"] = page_after(alerts, after, size=ALERTS_PER_PAGE)
    if tab == "why":
        context["explanations"] = explain(context["alerts"].rows)
    return context


def _url(incident: Incident, tab: str, request: SignedInRequest) -> str:
    name = "incidents:detail" if tab == "alerts" else f"incidents:{tab}"
    query = f"?{request.GET.urlencode()}" if request.GET else ""
    return reverse(name, args=[incident.pk]) + query


def answer(request: SignedInRequest, context: dict[str, Any]) -> HttpResponse:
    part = {"pane": "incidents/_pane.html", "incident": "incidents/_incident.html"}.get(request.htmx.target or "")
    if part:
        return render(request, part, context)
    return render(
        request, "incidents/feed.html", {**feed_context(IncidentFilter(request.GET, request.user)), **context}
    )
