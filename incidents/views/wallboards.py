"""Pages of wallboards: their links, which administrators create and revoke, and what a screen shows."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from incidents.environments import changes
from incidents.environments.forms import WallboardForm
from incidents.feed.folders import Counts, Folder
from incidents.models import Incident, Wallboard
from people.access import SignedInRequest, may_change
from people.models import Area

ROWS = 40  # more rows than fit on a screen


@may_change(Area.ENVIRONMENTS)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def listing(request: SignedInRequest) -> HttpResponse:
    """List the wallboards, and create a wallboard. The link of a new wallboard is shown only once."""
    form = WallboardForm(request.POST if request.method == "POST" else None, user=request.user)
    link = ""
    if form.is_valid():
        _, secret = changes.issue_wallboard(**form.cleaned_data, by=request.user)
        link = request.build_absolute_uri(reverse("incidents:wall", args=[secret]))
        form = WallboardForm(user=request.user)
    shown = Wallboard.objects.select_related("environment", "created_by")
    context = {
        "wallboards": shown.order_by(F("revoked_at").asc(nulls_first=True), "-created_at"),
        "form": form,
        "link": link,
    }
    return render(request, "wallboards/list.html", context)


@may_change(Area.ENVIRONMENTS)
@require_POST
def revoke(request: SignedInRequest, pk: int) -> HttpResponse:
    """Revoke a link, or accept a revoked link again. Screens notice at their next refresh."""
    wallboard = get_object_or_404(Wallboard, pk=pk)
    changes.set_wallboard_active(wallboard, wallboard.revoked_at is not None, by=request.user)
    return redirect("incidents:wallboards")


@login_not_required
@never_cache
@require_safe
def screen(request: HttpRequest, secret: str) -> HttpResponse:
    """Show a wallboard: the whole page, or with `?part` only the part that changes."""
    wallboard = Wallboard.objects.opened_by(secret)
    if wallboard is None:
        raise Http404("This link was revoked, or it never was one. Ask for a new one.")
    wallboard.mark_seen()
    incidents = Incident.objects.all()
    counts = Counts.now(incidents, wallboard.environment)
    active = counts.by_status(Folder.ACTIVE, wallboard.environment)
    shown = incidents.in_environment(wallboard.environment) if wallboard.environment else incidents
    rows = shown.active().order_by("-is_nobodys", "-status", "-changed_at", "-pk").select_related("assignee")[:ROWS]
    context = {
        "wallboard": wallboard,
        "tallies": [(status, count) for status, count in sorted(active.items(), reverse=True)],
        "total": sum(active.values()),
        "unhandled": counts.of(Folder.UNHANDLED, wallboard.environment),
        "worst": counts.worst(wallboard.environment),
        "rows": rows,
        "at": timezone.now(),
    }
    template = "wallboards/_wallboard.html" if "part" in request.GET else "wallboards/wallboard.html"
    response = render(request, template, context)
    response.headers["X-Robots-Tag"] = "noindex"
    return response
