"""The doctor's page of an integration, with a live tail and a test alert."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from alerts.events import Status
from alerts.health import doctor, inbox, self_alerts
from alerts.health.doctor import GUIDELINE, Bar
from alerts.models import Alert, Health
from appkeys.models import AppKey
from people import audit
from people.access import SignedInRequest, may_change, may_see
from people.models import Area

REPAIRS_SHOWN, REFUSALS_SHOWN = 20, 10
BAR, GAP, TALL, LABEL = 12, 3, 120, 14  # of the chart, in units of the drawing


@may_see(Area.INTEGRATIONS)
@require_safe
def page(request: SignedInRequest, pk: int) -> HttpResponse:
    app_key = get_object_or_404(AppKey.objects.present(), pk=pk)
    now = timezone.now()
    health = Health.objects.filter(app_key=app_key).first()
    is_watching = "tail" in request.GET
    if is_watching:
        inbox.watch(app_key)
    hours = doctor.bars(app_key, now)
    context = {
        "app_key": app_key,
        "tool": doctor.tool_of(app_key),
        "health": health,
        "rhythm": doctor.rhythm(app_key, health.last_event_at if health else None, now),
        "findings": doctor.examine(app_key, now, Alert.objects.visible_to(request.user)),
        "hours": [bar for bar in reversed(hours) if bar.events],
        "chart": _chart(hours),
        "guideline": GUIDELINE,
        "refusals": app_key.refusals.all()[:REFUSALS_SHOWN],
        "shows_samples": Alert.objects.all_visible_to(request.user),
        "repairs": app_key.repairs.all()[:REPAIRS_SHOWN],
        "is_watching": is_watching,
        "tail": _tail(request, app_key) if is_watching else [],
        "test": _test(request, app_key, health),
    }
    return render(request, "alerts/doctor.html", context)


@may_see(Area.INTEGRATIONS)
@require_safe
def tail(request: SignedInRequest, pk: int) -> HttpResponse:
    """Show the rows of the live tail. The page polls this view, and each request keeps the tail running."""
    app_key = get_object_or_404(AppKey.objects.present(), pk=pk)
    inbox.watch(app_key)
    return render(request, "alerts/_request_tail.html", {"app_key": app_key, "tail": _tail(request, app_key)})


@may_change(Area.INTEGRATIONS)
@require_POST
def test(request: SignedInRequest, pk: int) -> HttpResponse:
    app_key = get_object_or_404(AppKey.objects.present(), pk=pk)
    if not app_key.is_active:
        messages.error(request, "A deactivated App Key sends no test alert: activate it first.")
    else:
        self_alerts.send_test(app_key, by=request.user)
        messages.success(request, "The test alert is on its way, and resolves by itself after a minute.")
    return redirect("doctor", pk)


@may_change(Area.INTEGRATIONS)
@require_POST
def quiet(request: SignedInRequest, pk: int) -> HttpResponse:
    app_key = get_object_or_404(AppKey.objects.present(), pk=pk)
    wanted = request.POST.get("wanted") == "yes"
    with transaction.atomic():
        old = Health.objects.filter(app_key=app_key, alarm_when_quiet=True).exists()
        self_alerts.alarm_when_quiet(app_key, wanted)
        audit.record(
            request.user, app_key, audit.Change.CHANGED, old={"alarm_when_quiet": old}, new={"alarm_when_quiet": wanted}
        )  # fmt: skip
    messages.success(request, "Its silence raises an alert." if wanted else "Its silence raises no alert.")
    return redirect("doctor", pk)


def _tail(request: SignedInRequest, app_key: AppKey) -> list[inbox.TailRow]:
    """Return the newest requests. A request with alerts that the person may not see is shown without its sample."""
    return inbox.tail(app_key, Alert.objects.visible_to(request.user), Alert.objects.all_visible_to(request.user))


def _test(request: SignedInRequest, app_key: AppKey, health: Health | None) -> Alert | None:
    """Return the active test alert."""
    if not health or not health.test_ends_at:
        return None
    visible = Alert.objects.visible_to(request.user)
    active = visible.filter(app_key=app_key, identifier=self_alerts.TEST, is_current=True).exclude(status=Status.OK)
    return active.select_related("incident").first()


def _chart(hours: list[Bar]) -> dict[str, Any]:
    """Return the hours as rectangles from the bottom up. The scale never makes few events look like many."""
    highest = max(GUIDELINE * 4 // 3, *(bar.events for bar in hours))
    unit = TALL / highest
    rectangles, labels = [], []
    for number, bar in enumerate(hours):
        x, y = number * (BAR + GAP), float(TALL)
        for kind in ("accepted", "duplicates", "rejected"):
            height = getattr(bar, kind) * unit
            if height:
                height = max(height, 1)
                y -= height
                rectangles.append({"x": x, "y": f"{y:.1f}", "height": f"{height:.1f}", "kind": kind, "bar": bar})
        if bar.hour.hour % 6 == 0:
            labels.append({"x": x, "hour": _hour(bar.hour)})
    scale: list[tuple[int, float]] = []
    for value in (GUIDELINE, highest, 0):
        y = TALL - value * unit
        if all(abs(y - other) >= LABEL for _, other in scale):
            scale.append((value, y))
    return {
        "width": len(hours) * (BAR + GAP),
        "bar": BAR,
        "tall": TALL,
        "rectangles": rectangles,
        "labels": labels,
        "guideline": f"{TALL - GUIDELINE * unit:.1f}",
        "scale": [{"value": value, "y": f"{y:.1f}"} for value, y in scale],
    }


def _hour(at: datetime) -> str:
    return f"{at:%d %b}" if at.hour == 0 else f"{at:%H:00}"
