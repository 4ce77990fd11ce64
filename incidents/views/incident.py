"""Pages of an incident beside the feed: its parts, each a tab with its own address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import models
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from db.keyset import page_after
from incidents.actions import bulk
from incidents.correlation import maintenance
from incidents.detail import overview
from incidents.detail.alert_filter import STATUSES, AlertFilter, Order
from incidents.detail.timeline import ROWS, timeline
from incidents.explain.why import explain
from incidents.feed.filters import IncidentFilter
from incidents.feed.page import feed_context, found_in_time
from incidents.models import Deployment, Incident
from incidents.models.activity import readable
from people.access import SignedInRequest

ALERTS_PER_PAGE = 100
ACTIVITIES_PER_PAGE = 100
PEOPLE = ("assignee", "assigned_by", "acknowledged_by", "snoozed_by")
MARKERS = 100  # newest actions of people, and newest deployments, on the timeline


class Tab(models.TextChoices):
    """A part of an incident, by the name of its address."""

    OVERVIEW = "detail", "Overview"
    ALERTS = "alerts", "Alerts"
    TIMELINE = "timeline", "Timeline"
    ACTIVITY = "activity", "Activity"
    WHY = "why", "Why"


@require_safe
@vary_on_headers("HX-Request", "HX-Target")
def detail(request: SignedInRequest, pk: int, tab: str = Tab.OVERVIEW) -> HttpResponse:
    """Show an incident beside the feed.

    For htmx show only the pane, or for a refresh only the part of the pane that changes.
    """
    incident = get_object_or_404(
        Incident.objects.visible_to(request.user)
        .select_related(*PEOPLE, "follows")
        .prefetch_related("tag_values__tag"),
        pk=pk,
    )
    if incident.merged_into_id and tab != Tab.ACTIVITY:  # the alerts are in the other incident, the history stays here
        return redirect("incidents:detail", incident.merged_into_id)
    return answer(request, incident_context(request, incident, tab))


def incident_context(request: SignedInRequest, incident: Incident, tab: str) -> dict[str, Any]:
    """Return the context of incident/_pane.html."""
    tab = Tab(tab)
    view_query = IncidentFilter(request.GET, request.user).query()
    follows = incident.follows
    return {
        "incident": incident,
        "tab": tab,
        "tabs": [(each, reverse(f"incidents:{each}", args=[incident.pk]) + view_query) for each in Tab],
        "follows": follows if follows and follows.may_be_seen_by(request.user) else None,
        "undoable": overview.undoable_resolve(incident),
        "plans": maintenance.plans_of(incident),
        "view_query": view_query,
        "pane_url": _url(incident, tab, request),
        "activities_count": incident.activities.count(),
        **PARTS[tab](request, incident),
    }


def _overview(request: SignedInRequest, incident: Incident) -> dict[str, Any]:
    return {
        "links": overview.links_of_incident(incident),
        "status_counts": overview.status_counts(incident),
        "worst_alerts": overview.worst_alerts(incident),
        "together": overview.why_together(incident),
    }


def _alerts(request: SignedInRequest, incident: Incident) -> dict[str, Any]:
    asked = AlertFilter(request.GET, incident)
    return {
        "can_split": request.user.may_act and incident.alerts_count > 1,
        "asked": asked,
        "columns": [(order, asked.direction(order), asked.sorted_by(order)) for order in Order],
        "chips": [
            (status, incident.status_counts[status], name in asked.statuses, asked.toggled(name))
            for name, status in STATUSES.items()
        ],
        "alerts": found_in_time(
            asked,
            lambda: page_after(
                asked.qs.select_related("app_key", "maintenance_plan"),
                request.GET.get("pane_after", ""),
                size=ALERTS_PER_PAGE,
            ),
        ),
    }


def _timeline(request: SignedInRequest, incident: Incident) -> dict[str, Any]:
    alerts = page_after(overview.worst_first(incident), request.GET.get("pane_after", ""), size=ROWS)
    actions = incident.activities.filter(by__isnull=False).select_related("by").order_by("-at", "-pk")[:MARKERS]
    return {
        "alerts": alerts,
        "timeline": timeline(
            incident, alerts.rows, readable(actions, request.user), list(Deployment.objects.beside(incident)[:MARKERS])
        ),
        "status_counts": overview.status_counts(incident),
    }


def _activity(request: SignedInRequest, incident: Incident) -> dict[str, Any]:
    activities = incident.activities.select_related("by", "bulk").order_by("-at", "-pk")
    page = page_after(activities, request.GET.get("pane_after", ""), size=ACTIVITIES_PER_PAGE)
    in_bulk = {each.bulk.pk: each.bulk for each in readable(page.rows, request.user) if each.bulk}
    seen = {pk for pk, each in in_bulk.items() if bulk.may_see(each, request.user)}
    for each in page.rows:
        each.shows_bulk = each.bulk_id in seen
    return {"activities": page}


def _why(request: SignedInRequest, incident: Incident) -> dict[str, Any]:
    alerts = overview.worst_first(incident).select_related("app_key")
    page = page_after(alerts, request.GET.get("pane_after", ""), size=ALERTS_PER_PAGE)
    return {"alerts": page, "explanations": explain(page.rows, request.user)}


PARTS: dict[str, Callable[[SignedInRequest, Incident], dict[str, Any]]] = {
    Tab.OVERVIEW: _overview,
    Tab.ALERTS: _alerts,
    Tab.TIMELINE: _timeline,
    Tab.ACTIVITY: _activity,
    Tab.WHY: _why,
}


def _url(incident: Incident, tab: str, request: SignedInRequest) -> str:
    query = f"?{request.GET.urlencode()}" if request.GET else ""
    return reverse(f"incidents:{tab}", args=[incident.pk]) + query


def answer(request: SignedInRequest, context: dict[str, Any]) -> HttpResponse:
    """Render the part of the page that htmx asks for, or the whole page."""
    part = {"pane": "incident/_pane.html", "incident": "incident/_incident.html"}.get(request.htmx.target or "")
    if part:
        return render(request, part, context)
    return render(request, "feed/feed.html", {**feed_context(IncidentFilter(request.GET, request.user)), **context})
