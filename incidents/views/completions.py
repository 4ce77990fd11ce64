"""Suggestions for a query that a person writes, as JSON."""

from __future__ import annotations

from dataclasses import asdict

from django.http import JsonResponse
from django.views.decorators.http import require_safe

from bpql import SearchStopped
from db import time_limit
from incidents.models import Incident
from incidents.search.completions import suggest as suggestions_for
from people.access import SignedInRequest


@require_safe
def suggest(request: SignedInRequest) -> JsonResponse:
    """Return suggestions. `?q=` is the text before the cursor."""
    text = request.GET.get("q", "")[:2000]
    try:
        with time_limit.limited():
            found = suggestions_for(text, Incident.objects.visible_to(request.user))
    except SearchStopped as stopped:
        return JsonResponse({"suggestions": [], "error": stopped.message})
    return JsonResponse({"suggestions": [asdict(each) for each in found]})
