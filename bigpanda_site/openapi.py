"""The one OpenAPI document of the console: the Alerts API, and what each room adds to it."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from alerts.api import openapi as alerts_openapi
from incidents.api.openapi import maintenance
from incidents.api.openapi import patterns as incidents_openapi
from people.access import SignedInRequest


def document(server: str = "/") -> dict[str, Any]:
    """`server` is the address that this console is reached at."""
    whole = alerts_openapi.document(server)
    whole["tags"] += (*incidents_openapi.TAGS, maintenance.TAG)
    whole["paths"] |= incidents_openapi.paths() | maintenance.paths()
    components = whole["components"]
    components["schemas"] |= incidents_openapi.schemas() | maintenance.schemas()
    components["securitySchemes"]["api_key"] = {
        "type": "http",
        "scheme": "bearer",
        "description": "A personal API key in a header: `Authorization: Bearer BPU…`. Make one on your own page.",
    }
    return whole


@require_safe
def view(request: SignedInRequest) -> HttpResponse:
    return JsonResponse(document(request.build_absolute_uri("/").rstrip("/")), json_dumps_params={"indent": 2})
