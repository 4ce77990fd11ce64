"""One alert, and what its events said."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from alerts.history import history
from alerts.links import links_of
from alerts.models import Alert
from people.access import SignedInRequest
from people.keyset import page_after

EVENTS_PER_PAGE = 100


@require_safe
def detail(request: SignedInRequest, pk: int) -> HttpResponse:
    alert = get_object_or_404(Alert.objects.select_related("app_key", "incident"), pk=pk)
    incident = alert.incident
    # Who may see it is the incidents' own rule.
    if incident and not type(incident).objects.visible_to(request.user).filter(pk=incident.pk).exists():
        raise Http404("There is no such alert, or it is not for your role.")
    events = alert.events.order_by("-occurred_at", "-pk")
    page = page_after(events, request.GET.get("after", ""), size=EVENTS_PER_PAGE + 1)
    lines = list(history(page.rows, is_complete=not page.next_key))
    last_shown = lines[-1].event if page.next_key else None
    context = {
        "alert": alert,
        "links": links_of(alert.tags),
        "tags": sorted(alert.tags.items()),
        "history": lines,
        "older": f"{last_shown.occurred_at.isoformat()}~{last_shown.pk}" if last_shown else "",
        "is_first_page": page.is_first,
    }
    return render(request, "alerts/detail.html", context)
