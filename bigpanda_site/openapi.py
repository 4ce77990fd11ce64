"""The one OpenAPI document of the console: the Alerts API and webhooks, written by hand, and the operations that views declare."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from alerts.api.openapi import alerts, webhooks
from people.access import SignedInRequest

TAGS = {
    "Webhooks": "What tools send in words of their own.",
    "Deployments": "What was rolled out, shown beside incidents on the same hosts.",
    "Mappings": "How payloads of one App Key become alerts.",
    "Incidents": "Search incidents, and act on them.",
    "Incident tags": "Tags that people put on incidents.",
    "Incidents v1": "Incidents for scripts with an org token.",
    "Correlation patterns": "The rules by which alerts become incidents.",
    "Why": "Why an alert is in its incident, and why not in another.",
    "Maintenance plans": "Times in which certain alerts are expected. They are correlated as ever, and call nobody.",
    "Audit log": "What was changed, by whom, with old and new values.",
}
API_KEY = {
    "type": "http",
    "scheme": "bearer",
    "description": (
        "A personal API key in a header: `Authorization: Bearer BPU…`. Make one on your own page. It needs the scope "
        "`read` for GET, `act` to change incidents and maintenance plans, and `administer` for every other change."
    ),
}


def document(server: str = "/") -> dict[str, Any]:
    """Return the whole document. `server` is the address of this console."""
    whole, declared = alerts.document(server), _declared()
    whole["tags"] += [{"name": name, "description": about} for name, about in TAGS.items()]
    whole["paths"] |= webhooks.paths() | declared["paths"]
    whole["components"]["schemas"] |= webhooks.SCHEMAS | declared["components"]["schemas"]
    whole["components"]["securitySchemes"] |= {**webhooks.SECURITY_SCHEMES, "api_key": API_KEY}
    return whole


@cache
def _declared() -> dict[str, Any]:
    # drf-spectacular is loaded only for this document, so that no start waits for it.
    from bigpanda_site.operation_schema import described_operations

    return described_operations()


@require_safe
def view(request: SignedInRequest) -> HttpResponse:
    return JsonResponse(document(request.build_absolute_uri("/").rstrip("/")), json_dumps_params={"indent": 2})
