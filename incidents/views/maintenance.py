"""Pages of maintenance plans, with a preview of what a condition finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

import bpql
from alerts.events import Status
from alerts.models import Alert
from db import time_limit
from db.keyset import page_after
from incidents.maintenance import changes
from incidents.maintenance.forms import PlanForm
from incidents.models import Incident, MaintenancePlan
from incidents.search import conditions
from people.access import SignedInRequest, may_change, may_see
from people.models import Area, User

PLANS_PER_PAGE = 50
DELETED = 20  # latest deleted plans, which people can restore
ROWS = 20
PREVIEW_ROWS = 8
COUNT_LIMIT = 10_000  # counting more alerts would make the person wait
_IN_MAINTENANCE = Count("alerts", filter=Q(alerts__status__gt=Status.OK))


@may_see(Area.MAINTENANCE)
@require_safe
def listing(request: SignedInRequest) -> HttpResponse:
    now = timezone.now()
    kept = MaintenancePlan.objects.kept().select_related("created_by").annotate(count=_IN_MAINTENANCE)
    done = kept.filter(ends_at__lte=now).order_by("-ends_at", "-pk")
    deleted = MaintenancePlan.objects.filter(deleted_at__isnull=False, ends_at__gt=now)
    context = {
        "plans": kept.filter(ends_at__gt=now).order_by("starts_at", "pk"),
        "done": page_after(done, request.GET.get("after", ""), size=PLANS_PER_PAGE),
        "deleted": deleted.order_by("-deleted_at")[:DELETED],
    }
    return render(request, "maintenance/list.html", context)


@may_change(Area.MAINTENANCE)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: SignedInRequest) -> HttpResponse:
    """Create a plan. `?q=` is the condition that the form begins with, for links from a search."""
    initial = {"condition": request.GET.get("q", ""), "starts_at": timezone.now()}
    form = PlanForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        return redirect(changes.create(form.draft, by=request.user))
    return render(request, "maintenance/form.html", {"form": form, "plan": None})


@may_see(Area.MAINTENANCE)
@require_safe
def detail(request: SignedInRequest, pk: int) -> HttpResponse:
    plan = get_object_or_404(MaintenancePlan.objects.select_related("created_by", "updated_by"), pk=pk)
    found = _seen_by(request.user).filter(maintenance_plan=plan)
    return render(request, "maintenance/detail.html", {"plan": plan, **_shown(found, ROWS)})


@may_change(Area.MAINTENANCE)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: SignedInRequest, pk: int) -> HttpResponse:
    plan = get_object_or_404(MaintenancePlan.objects.kept(), pk=pk)
    if plan.state is MaintenancePlan.State.DONE:
        messages.error(request, "This plan is over. Plan it anew to have it run again.")
        return redirect(plan)
    form = PlanForm(request.POST if request.method == "POST" else None, instance=plan)
    if form.is_valid():
        return redirect(changes.edit(plan, form.draft, by=request.user))
    return render(request, "maintenance/form.html", {"form": form, "plan": get_object_or_404(MaintenancePlan, pk=pk)})


@may_change(Area.MAINTENANCE)
@require_POST
def change(request: SignedInRequest, pk: int, change: Callable[..., None]) -> HttpResponse:
    """Stop or delete a plan, or undo a stop or a deletion."""
    plan = get_object_or_404(MaintenancePlan, pk=pk)
    try:
        change(plan, by=request.user)
    except changes.NotNow as refusal:
        messages.error(request, str(refusal))
    return redirect(plan)


@may_change(Area.MAINTENANCE)
@require_safe
def preview(request: SignedInRequest) -> HttpResponse:
    """Show what a condition finds among the active alerts, while a person writes the condition."""
    condition = request.GET.get("condition", "").strip()
    try:
        with time_limit.limited():
            found = _seen_by(request.user).filter(conditions.for_alerts(bpql.parse(condition)))
            context = _shown(found, PREVIEW_ROWS) if condition else {}
    except bpql.BpqlError as error:
        return render(request, "maintenance/_preview.html", {"error": error, "condition": condition})
    return render(request, "maintenance/_preview.html", {"condition": condition, **context})


def _seen_by(user: User) -> QuerySet[Alert]:
    """Return the active alerts of the incidents that a person may see."""
    return Alert.objects.visible_to(user).filter(status__gt=Status.OK, incident__in=Incident.objects.open())


def _shown(found: QuerySet[Alert], rows: int) -> dict[str, Any]:
    """Return the worst of these alerts, with their number."""
    count = found.order_by()[: COUNT_LIMIT + 1].count()
    alerts = list(found.order_by("-status", "-changed_at", "-pk")[:rows])
    return {"alerts": alerts, "count": min(count, COUNT_LIMIT), "has_more": count > COUNT_LIMIT}
