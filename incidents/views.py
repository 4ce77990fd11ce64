"""The feed, an incident, and what a person does with it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import retarget

from alerts.keyset import page_after
from alerts.links import links_of
from incidents import feed as the_feed
from incidents import lifecycle
from incidents.filters import STATUSES, IncidentFilter
from incidents.forms import CommentForm, ResolveForm
from incidents.models import Incident
from incidents.why import explain
from people.access import SignedInRequest, responders_only

ALERTS_PER_PAGE = 100
ACTIVITIES_PER_PAGE = 100


@require_safe
@vary_on_headers("HX-Request", "HX-Target")
def feed(request: SignedInRequest) -> HttpResponse:
    """The whole page, or for a refresh its live part alone."""
    if request.htmx.target == "feed":
        return render(request, "incidents/_feed.html", {**_feed_context(request), "is_refresh": True})
    return render(request, "incidents/feed.html", _feed_context(request))


@require_safe
@vary_on_headers("HX-Request", "HX-Target")
def detail(request: SignedInRequest, pk: int, tab: str = "alerts") -> HttpResponse:
    """An incident beside the feed; its pane alone where the feed stands already, and for a refresh only what changes."""
    incident = get_object_or_404(Incident.objects.select_related("assignee", "follows"), pk=pk)
    context = _incident_context(request, incident, tab)
    return _answer(request, context)


@responders_only
@require_http_methods(["GET", "HEAD", "POST"])
def resolve(request: SignedInRequest, pk: int) -> HttpResponse:
    """Ask for a comment and say what will happen; then do it."""
    incident = get_object_or_404(Incident, pk=pk)
    form = ResolveForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            lifecycle.resolve(incident, by=request.user, comment=form.cleaned_data["comment"])
        except lifecycle.InvalidTransition as refusal:
            messages.error(request, str(refusal))
        return _back(request, incident)
    context = {"incident": incident, "form": form, "next": _there(request, incident)}
    if request.htmx:
        return retarget(render(request, "incidents/_resolve_form.html", context), "#dialog")
    return render(request, "incidents/resolve.html", context)


@responders_only
@require_POST
def undo(request: SignedInRequest, pk: int) -> HttpResponse:
    incident = get_object_or_404(Incident, pk=pk)
    activity = get_object_or_404(incident.activities, pk=request.POST.get("activity") or 0)
    try:
        lifecycle.undo_resolve(activity, by=request.user)
        messages.success(request, "The resolve was undone.")
    except lifecycle.InvalidTransition as refusal:
        messages.error(request, str(refusal))
    return _back(request, incident)


@responders_only
@require_POST
def assign(request: SignedInRequest, pk: int) -> HttpResponse:
    """Take the incident oneself."""
    incident = get_object_or_404(Incident, pk=pk)
    try:
        lifecycle.assign(incident, to=request.user, by=request.user)
    except lifecycle.InvalidTransition as refusal:
        messages.error(request, str(refusal))
    return _back(request, incident)


@responders_only
@require_POST
def release(request: SignedInRequest, pk: int) -> HttpResponse:
    incident = get_object_or_404(Incident, pk=pk)
    try:
        lifecycle.unassign(incident, by=request.user)
    except lifecycle.InvalidTransition as refusal:
        messages.error(request, str(refusal))
    return _back(request, incident)


@responders_only
@require_POST
def comment(request: SignedInRequest, pk: int) -> HttpResponse:
    incident = get_object_or_404(Incident.objects.select_related("assignee", "follows"), pk=pk)
    form = CommentForm(request.POST)
    if not form.is_valid():
        return _answer(request, {**_incident_context(request, incident, "activity"), "comment_form": form})
    lifecycle.comment(incident, by=request.user, text=form.cleaned_data["comment"])
    return _back(request, incident)


def _feed_context(request: SignedInRequest) -> dict[str, Any]:
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


def _incident_context(request: SignedInRequest, incident: Incident, tab: str) -> dict[str, Any]:
    context: dict[str, Any] = {
        "incident": incident,
        "tab": tab,
        "undoable": the_feed.undoable(incident),
        "links": links_of(incident.shared_tags),
        "view_query": IncidentFilter(request.GET).query(),
        "pane_url": _url(incident, tab, request),
        "activities_count": incident.activities.count(),
    }
    after = request.GET.get("pane_after", "")
    if tab == "activity":
        activities = incident.activities.select_related("by").order_by("-at", "-pk")
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


def _answer(request: SignedInRequest, context: dict[str, Any]) -> HttpResponse:
    part = {"pane": "incidents/_pane.html", "incident": "incidents/_incident.html"}.get(request.htmx.target or "")
    if part:
        return render(request, part, context)
    return render(request, "incidents/feed.html", {**_feed_context(request), **context})


def _back(request: SignedInRequest, incident: Incident) -> HttpResponse:
    """To the view of the incident that the action was taken in."""
    return redirect(_there(request, incident))


def _there(request: SignedInRequest, incident: Incident) -> str:
    there = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url_has_allowed_host_and_scheme(
        there, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return there if is_ours else incident.get_absolute_url()
