"""Wallboards: their links, which administrators hand out and revoke, and what a screen shows that has one."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from incidents.environments.forms import WallboardForm
from incidents.feed.folders import Counts, Folder
from incidents.models import Incident, Wallboard
from people import audit
from people.access import SignedInRequest, may_change
from people.models import Area

ROWS = 40  # more than fit on any wall


@may_change(Area.ENVIRONMENTS)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def boards(request: SignedInRequest) -> HttpResponse:
    """The links there are, and a new one, whose address is shown this once."""
    form = WallboardForm(request.POST if request.method == "POST" else None, user=request.user)
    link = ""
    if form.is_valid():
        with transaction.atomic():
            board, secret = Wallboard.issue(**form.cleaned_data, by=request.user)
            audit.record(request.user, board, audit.Change.CREATED, new=audit.properties(board, "name", "environment"))
        link = request.build_absolute_uri(reverse("incidents:wall", args=[secret]))
        form = WallboardForm(user=request.user)
    shown = Wallboard.objects.select_related("environment", "created_by")
    context = {
        "boards": shown.order_by(F("revoked_at").asc(nulls_first=True), "-created_at"),
        "form": form,
        "link": link,
    }
    return render(request, "wallboards/list.html", context)


@may_change(Area.ENVIRONMENTS)
@require_POST
def revoke(request: SignedInRequest, pk: int) -> HttpResponse:
    """Screens that have the link go dark at their next look; the same again lets them see again."""
    board = get_object_or_404(Wallboard, pk=pk)
    change = audit.Change.DEACTIVATED if board.revoked_at is None else audit.Change.ACTIVATED
    with transaction.atomic():
        board.revoked_at = timezone.now() if board.revoked_at is None else None
        board.save(update_fields=["revoked_at"])
        audit.record(request.user, board, change)
    return redirect("incidents:wallboards")


@login_not_required
@never_cache
@require_safe
def wall(request: HttpRequest, secret: str) -> HttpResponse:
    """What the screen shows: the whole page first, then its changing part alone."""
    board = Wallboard.objects.opened_by(secret)
    if board is None:
        raise Http404("This link was revoked, or it never was one. Ask for a new one.")
    board.mark_seen()
    incidents = Incident.objects.all()
    counts = Counts.now(incidents, board.environment)
    active = counts.by_status(Folder.ACTIVE, board.environment)
    shown = incidents.in_environment(board.environment) if board.environment else incidents
    rows = shown.active().order_by("-is_nobodys", "-status", "-changed_at", "-pk").select_related("assignee")[:ROWS]
    context = {
        "board": board,
        "tallies": [(status, count) for status, count in sorted(active.items(), reverse=True)],
        "total": sum(active.values()),
        "unhandled": counts.of(Folder.UNHANDLED, board.environment),
        "worst": counts.worst(board.environment),
        "rows": rows,
        "at": timezone.now(),
    }
    template = "wallboards/_wallboard.html" if "part" in request.GET else "wallboards/wallboard.html"
    response = render(request, template, context)
    response.headers["X-Robots-Tag"] = "noindex"
    return response
