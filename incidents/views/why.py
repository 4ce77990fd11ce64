"""Pages that explain why an alert and an incident, or two alerts, are not together.

People name each of the two by number, link or search.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from alerts.models import Alert
from incidents.explain import why_not
from incidents.explain.lookup import Picked, answer_for, pick
from people.access import SignedInRequest


@require_safe
def page(request: SignedInRequest) -> HttpResponse:
    alert = pick(request.GET.get("alert", ""), request.user, only_alerts=True)
    other = pick(request.GET.get("other", ""), request.user)
    answer = (
        why_not.ask(alert.found, other.found, request.user) if isinstance(alert.found, Alert) and other.found else None
    )
    alone = alert.found or other.found if not (alert.text and other.text) else None
    context = {
        "alert": _with_urls(alert, "alert", request),
        "other": _with_urls(other, "other", request),
        "answer": answer,
        "is_without": bool(alert.found and other.found and not answer),
        "alone": alone,
        "nearest": why_not.nearest(alone, request.user) if alone else [],
        "json_url": f"{reverse('incidents:why_not_json')}?{_query(request)}",
    }
    return render(request, "incident/why_not.html", context)


@require_safe
def as_json(request: SignedInRequest) -> HttpResponse:
    return JsonResponse(answer_for(request.GET.get("alert", ""), request.GET.get("other", ""), request.user))


def _with_urls(picked: Picked, field: str, request: SignedInRequest) -> dict[str, Any]:
    return {
        "text": picked.text,
        "found": picked.found,
        "problem": picked.problem,
        "choices": [(f"?{_query(request, **{field: key})}", each) for key, each in picked.choices],
        "is_alert": isinstance(picked.found, Alert),
    }


def _query(request: SignedInRequest, **changes: str) -> str:
    return urlencode({name: request.GET.get(name, "") for name in ("alert", "other")} | changes)
