"""The audit log as JSON, in the shape of BigPanda's API (docs/wire-contract.md §7.5)."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from db import time_limit
from people.api.fields import Number
from people.api.operation import Operation, OperationView
from people.authentication import ApiKeyAuthentication
from people.filters import AuditFilter
from people.models import Area, AuditEntry
from people.permissions import permits
from people.serializers import AuditEntrySerializer

PAGE_SIZE, LARGEST_PAGE = 100, 1000
WHEN = "A day or a time in ISO 8601, in UTC if no zone is named."


class AuditQuerySerializer(serializers.Serializer[Any]):
    """The query string. AuditFilter, which the page and the exports use too, refuses wrong values of all but the last two."""

    q = serializers.CharField(required=False, allow_blank=True, help_text="Words of an entry.")
    who = serializers.CharField(required=False, allow_blank=True, help_text="The name of the person.")
    what = serializers.CharField(required=False, allow_blank=True, help_text="The kind of the object, such as App Key.")
    changeType = serializers.ChoiceField(AuditEntry.Change.values, required=False, allow_blank=True)  # noqa: N815
    page = Number(1, 10_000)
    limit = Number(PAGE_SIZE, LARGEST_PAGE)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        when = {
            name: serializers.CharField(required=False, allow_blank=True, help_text=WHEN) for name in ("from", "to")
        }
        return {**super().get_fields(), **when}


class PaginationSerializer(serializers.Serializer[Any]):
    page = serializers.IntegerField()
    limit = serializers.IntegerField()
    hasMore = serializers.BooleanField()  # noqa: N815


class AuditLogsSerializer(serializers.Serializer[Any]):
    """A page of entries. For the document only."""

    status = serializers.IntegerField(help_text="Always 200.")
    auditLogs = AuditEntrySerializer(many=True)  # noqa: N815
    pagination = PaginationSerializer()


class AuditLogs(OperationView):
    tag = "Audit log"
    authentication_classes = (ApiKeyAuthentication,)
    permission_classes = (permits(Area.AUDIT),)

    @Operation("listAuditLogs", "List changes, the newest first", query=AuditQuerySerializer, reply=AuditLogsSerializer)
    def get(self, request: Request) -> Response:
        asked = AuditFilter(request.query_params)
        entries = asked.qs
        if asked.errors:
            raise ValidationError({name: [str(each) for each in problems] for name, problems in asked.errors.items()})
        values = self.asked()
        page, limit = values["page"], values["limit"]
        with time_limit.limited():
            found = list(entries[(page - 1) * limit : page * limit + 1])
        pagination = {"page": page, "limit": limit, "hasMore": len(found) > limit}
        shown = AuditEntrySerializer(found[:limit], many=True).data
        return Response({"status": 200, "auditLogs": shown, "pagination": pagination})
