"""Maintenance plans: the list, one with what is in maintenance by it, written with a look at what it is about, stopped, deleted, and brought back."""

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
from db.keyset import page_after
from incidents.maintenance import plans
from incidents.maintenance.forms import PlanForm
from incidents.maintenance.plans import NotNow
from incidents.models import Incident, MaintenancePlan
from incidents.search import conditions
from people.access import SignedInRequest, may_change, may_see
from people.models import Area, User

PLANS_PER_PAGE = 50
DELETED = 20  # the latest, which can still be brought back
ROWS = 20
PREVIEW_ROWS = 8
COUNT_LIMIT = 10_000  # counting more would make the writer wait
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
    """Also from a search: `?q=` is the condition to begin with."""
    initial = {"condition": request.GET.get("q", ""), "starts_at": timezone.now()}
    form = PlanForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        return redirect(plans.save(form, by=request.user))
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
        return redirect(plans.save(form, by=request.user))
    return render(request, "maintenance/form.html", {"form": form, "plan": get_object_or_404(MaintenancePlan, pk=pk)})


@may_change(Area.MAINTENANCE)
@require_POST
def do(request: SignedInRequest, pk: int, deed: Callable[..., None]) -> HttpResponse:
    """Stop it, delete it, or take one of these back."""
    plan = get_object_or_404(MaintenancePlan, pk=pk)
    try:
        deed(plan, by=request.user)
    except NotNow as refusal:
        messages.error(request, str(refusal))
    return redirect(plan)


@may_change(Area.MAINTENANCE)
@require_safe
def preview(request: SignedInRequest) -> HttpResponse:
    """What a condition finds among the alerts that are active, while it is being written."""
    condition = request.GET.get("condition", "").strip()
    try:
        found = _seen_by(request.user).filter(conditions.for_alerts(bpql.parse(condition)))
    except bpql.BpqlError as error:
        return render(request, "maintenance/_preview.html", {"error": error, "condition": condition})
    context = _shown(found, PREVIEW_ROWS) if condition else {}
    return render(request, "maintenance/_preview.html", {"condition": condition, **context})


def _seen_by(user: User) -> QuerySet[Alert]:
    """Active alerts of incidents that a person may see."""
    return Alert.objects.filter(status__gt=Status.OK, incident__in=Incident.objects.visible_to(user).open())


def _shown(found: QuerySet[Alert], rows: int) -> dict[str, Any]:
    """The worst of them, and how many there are."""
    count = found.order_by()[: COUNT_LIMIT + 1].count()
    alerts = list(found.order_by("-status", "-changed_at", "-pk")[:rows])
    return {"alerts": alerts, "count": min(count, COUNT_LIMIT), "has_more": count > COUNT_LIMIT}
