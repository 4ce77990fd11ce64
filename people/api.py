"""The console's administration as JSON, in the shapes of BigPanda's API (docs/wire-contract.md §7.5)."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from people.authentication import ApiKeyAuthentication
from people.filters import AuditFilter
from people.models import Area
from people.permissions import permits
from people.serializers import audit_log

PAGE_SIZE, LARGEST_PAGE = 100, 1000


class AuditLogs(APIView):
    """`GET /audit-logs?from&to&changeType`, also by `q`, `who` and `what`, as on the page."""

    authentication_classes = (ApiKeyAuthentication,)
    permission_classes = (permits(Area.AUDIT),)

    def get(self, request: Request) -> Response:
        asked = AuditFilter(request.query_params)
        entries = asked.entries()
        if asked.errors:
            raise ValidationError({name: [str(each) for each in problems] for name, problems in asked.errors.items()})
        page, limit = number(request, "page", 1, 10_000), number(request, "limit", PAGE_SIZE, LARGEST_PAGE)
        found = list(entries[(page - 1) * limit : page * limit + 1])
        pagination = {"page": page, "limit": limit, "hasMore": len(found) > limit}
        return Response(
            {"status": 200, "auditLogs": [audit_log(entry) for entry in found[:limit]], "pagination": pagination}
        )


def number(request: Request, name: str, default: int, largest: int) -> int:
    """A number of the query string. Raises ValidationError, which names it, for anything else."""
    sent: Any = request.query_params.get(name, default)
    if not str(sent).isdecimal() or not 1 <= int(sent) <= largest:
        raise ValidationError({name: [f"must be a number from 1 to {largest}."]})
    return int(sent)
