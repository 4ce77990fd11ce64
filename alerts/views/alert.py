"""The page of an alert, with its history and each event as it was sent."""

from __future__ import annotations

import json

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from alerts.health.redaction import redacted
from alerts.health.request_log import KEPT_FOR, SentPayload, payload_of
from alerts.links import links_of
from alerts.models import Alert, Event
from alerts.views.history import history
from db.keyset import page_after
from people.access import SignedInRequest

EVENTS_PER_PAGE = 100
OTHER_LIVES = 20


@require_safe
def detail(request: SignedInRequest, pk: int) -> HttpResponse:
    """Show an alert. `?event=` names the event that is shown as sent; the newest one is the default."""
    visible = Alert.objects.visible_to(request.user)
    alert = get_object_or_404(visible.select_related("app_key", "incident", "maintenance_plan"), pk=pk)
    events = alert.events.order_by("-occurred_at", "-pk")
    page = page_after(events, request.GET.get("after", ""), size=EVENTS_PER_PAGE + 1)
    lines = list(history(page.rows, is_complete=not page.next_key))
    last_shown = lines[-1].event if page.next_key else None
    sent = alert.events.filter(kind=Event.Kind.SENT)
    asked_for = request.GET.get("event", "")
    chosen = sent.filter(pk=asked_for).first() if asked_for.isdecimal() and len(asked_for) < 19 else None
    chosen = chosen or sent.order_by("-occurred_at", "-pk").first()
    context = {
        "alert": alert,
        "links": links_of(alert.tags),
        "tags": sorted(alert.tags.items()),
        "history": lines,
        "older": f"{last_shown.occurred_at.isoformat()}~{last_shown.pk}" if last_shown else "",
        "is_first_page": page.is_first,
        "event": chosen,
        "payload": _payload(request, chosen, alert) if chosen else None,
        "as_stored": _as_stored(chosen) if chosen else "",
        "kept_days": KEPT_FOR.days,
        "lives": visible.filter(identity=alert.identity).exclude(pk=pk).order_by("-life")[:OTHER_LIVES],
    }
    return render(request, "alerts/detail.html", context)


def _payload(request: SignedInRequest, event: Event, alert: Alert) -> SentPayload | None:
    """Return the payload of an event. A request with other alerts is shown whole only to those who may see every alert."""
    sent = payload_of(event, alert)
    shows_others = sent is not None and sent.is_whole and sent.alerts > 1
    return None if shows_others and not Alert.objects.all_visible_to(request.user) else sent


def _as_stored(event: Event) -> str:
    """Return the stored values of an event in the form of the Alerts API."""
    fields = {"status": event.get_status_display(), "timestamp": event.occurred_at.timestamp(), **event.tags}
    return redacted(json.dumps(fields).encode())
