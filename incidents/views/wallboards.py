"""Pages of wallboards: their links, which administrators create and revoke, and what a screen shows."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
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
    shown = Wallboard.objects.order_by(F("revoked_at").asc(nulls_first=True), "-created_at").visible_to(request.user)
    context = {
        "wallboards": [(each, each.may_be_opened_by(request.user)) for each in shown],
        "form": form,
        "link": link,
        "days": settings.WALLBOARD_DAYS,
    }
    return render(request, "wallboards/list.html", context)


@may_change(Area.ENVIRONMENTS)
@require_POST
def renew(request: SignedInRequest, pk: int) -> HttpResponse:
    """Let a link expire later."""
    wallboard = _visible(request, pk)
    _require_its_sight(request, wallboard)
    changes.renew_wallboard(wallboard, by=request.user)
    return redirect("incidents:wallboards")


@may_change(Area.ENVIRONMENTS)
@require_POST
def revoke(request: SignedInRequest, pk: int) -> HttpResponse:
    """Revoke a link, or accept a revoked link again. Screens notice at their next refresh."""
    wallboard = _visible(request, pk)
    if wallboard.revoked_at is not None:
        _require_its_sight(request, wallboard)
    changes.set_wallboard_active(wallboard, wallboard.revoked_at is not None, by=request.user)
    return redirect("incidents:wallboards")


def _visible(request: SignedInRequest, pk: int) -> Wallboard:
    wallboard = get_object_or_404(Wallboard.objects.with_maker(), pk=pk)
    if wallboard.environment and not wallboard.environment.may_be_seen_by(request.user):
        raise Http404("This wallboard is not for your role.")
    return wallboard


def _require_its_sight(request: SignedInRequest, wallboard: Wallboard) -> None:
    # A person who knows the link could otherwise open again what only its maker may see.
    if not wallboard.may_be_opened_by(request.user):
        raise PermissionDenied(
            "This link shows what its maker may see. Only people with the same role and administrators can open it"
            " again. You can create a link of your own."
        )


@login_not_required
@never_cache
@require_safe
def screen(request: HttpRequest, secret: str) -> HttpResponse:
    """Show a wallboard: the whole page, or with `?part` only the part that changes."""
    wallboard = Wallboard.objects.opened_by(secret)
    if wallboard is None:
        raise Http404("This link has ended, or it never was one. Ask for a new one.")
    wallboard.mark_seen()
    incidents = Incident.objects.visible_to(wallboard)
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
