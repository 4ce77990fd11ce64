"""Suggestions for a query that a person writes, as JSON."""

from __future__ import annotations

from dataclasses import asdict

from django.http import JsonResponse
from django.views.decorators.http import require_safe

from incidents.models import Incident
from incidents.search.completions import suggest as suggestions_for
from people.access import SignedInRequest


@require_safe
def suggest(request: SignedInRequest) -> JsonResponse:
    """Return suggestions. `?q=` is the text before the cursor."""
    text = request.GET.get("q", "")[:2000]
    found = suggestions_for(text, Incident.objects.visible_to(request.user))
    return JsonResponse({"suggestions": [asdict(each) for each in found]})
