"""Correlation patterns under /resources (docs/wire-contract.md §4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from alerts.api.alerts import error_response
from alerts.api.limits import PATTERN_REQUESTS
from alerts.payload import LISTED
from bpql.grammar import LENGTH_LIMIT
from incidents.api.resource import PersonsResource
from incidents.models import CorrelationPattern
from incidents.patterns import changes, transfer
from incidents.patterns.transfer import as_data
from people.api.fields import Choice, Described, Seconds, refuse
from people.api.operation import Operation
from people.models import Area
from people.permissions import permits

_FILTER = {
    "type": ["string", "object"],
    "maxLength": LENGTH_LIMIT,
    "description": "BPQL, as text or in its object form; the alerts it looks at, sources included. Empty: all.",
}


class PatternSerializer(serializers.Serializer[Any]):
    """A pattern. For the document only.

    `changes.read` reads patterns for the form, imports and the API. `transfer.as_data` shows patterns in exports and in
    the API.
    """

    id = serializers.UUIDField(read_only=True)
    correlation_id = serializers.UUIDField(read_only=True, help_text="The same as `id`.")
    active = serializers.BooleanField(default=True)
    tags = serializers.ListField(
        child=serializers.CharField(max_length=changes.TAG_LENGTH),
        min_length=1,
        max_length=changes.TAGS_LIMIT,
        help_text="Alerts belong together when they have the same values of all of them.",
    )
    time_window = serializers.IntegerField(
        min_value=changes.WINDOW[0],
        max_value=changes.WINDOW[-1],
        help_text="Minutes around the start of the incident's first alert.",
    )
    filter = Described(_FILTER, {"type": "string"}, required=False)
    cross_source = serializers.BooleanField(
        default=True, help_text="Alerts of different source systems may join each other."
    )
    note = serializers.CharField(required=False, allow_blank=True, max_length=changes.NOTE_LENGTH)
    version = serializers.IntegerField(read_only=True)
    execution_order = serializers.IntegerField(read_only=True, help_text="Its place in the order, from 1.")
    created_at = Seconds(read_only=True)
    created_by = serializers.CharField(read_only=True, allow_null=True)
    updated_at = Seconds(read_only=True)
    updated_by = serializers.CharField(read_only=True, allow_null=True)
    suggested_at = Seconds(read_only=True, allow_null=True)


class PatternsQuerySerializer(serializers.Serializer[Any]):
    active = Choice(("true", "false"), rule="must be true or false.", allow_blank=True)


class _Uuids(serializers.ListField):
    RULE = "must be a list of the ids of all patterns."

    def __init__(self) -> None:
        super().__init__(child=serializers.UUIDField(), error_messages=dict.fromkeys(("required", "null"), self.RULE))

    def to_internal_value(self, data: Any) -> list[UUID]:
        try:
            return [UUID(each) for each in data] if isinstance(data, list) else refuse(self.RULE)
        except (ValueError, AttributeError, TypeError):
            refuse(self.RULE)


class PatternsOrderSerializer(serializers.Serializer[Any]):
    execution_order = _Uuids()


class _Resource(PersonsResource):
    tag = "Correlation patterns"
    permission_classes = (permits(Area.PATTERNS),)
    request_limit = PATTERN_REQUESTS

    def body(self) -> dict[str, Any]:
        if not isinstance(self.request.data, dict):
            raise ValidationError(["The body must be a JSON object."])
        return super().body()


class Patterns(_Resource):
    @Operation(
        "listPatterns",
        "List the patterns in the order in which they are asked",
        query=PatternsQuerySerializer,
        reply=PatternSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        wanted, found = self.asked()["active"], transfer.all_as_data()
        return Response([each for each in found if not wanted or each["active"] is (wanted == "true")])

    @Operation(
        "createPattern",
        f"Create a pattern; or bring in a list of up to {transfer.IMPORT_LIMIT}, all of it or nothing",
        body=(PatternSerializer, PatternSerializer(many=True)),
        reply=(PatternSerializer, PatternSerializer(many=True)),
    )
    def post(self, request: Request) -> Response:
        if isinstance(request.data, list):
            return self._bring_in(request.data)
        pattern = changes.create(_read(self.body()), by=self.person)
        return Response(_shown(pattern))

    def _bring_in(self, sent: list[Any]) -> Response:
        if not 1 <= len(sent) <= transfer.IMPORT_LIMIT:
            raise ValidationError([f"Expected 1 to {transfer.IMPORT_LIMIT} patterns."])
        plan = transfer.plan(sent)
        if plan.errors:
            rejected = [{"index": index, "rule": rule} for index, rule in plan.errors.items()]
            messages = [f"{each['index']}: {each['rule']}" for each in rejected]
            count = {"rejected_count": len(rejected)} if len(rejected) > LISTED else {}
            return error_response(HTTPStatus.BAD_REQUEST, messages, rejected=rejected[:LISTED], **count)
        return Response([_shown(pattern) for pattern in transfer.carry_out(plan, by=self.person)])


class Pattern(_Resource):
    @Operation("getPattern", "Read a pattern", reply=PatternSerializer)
    def get(self, request: Request, pk: UUID) -> Response:
        return Response(_shown(_find(pk)))

    @Operation(
        "changePattern",
        "Change a pattern: a new version, which touches new incidents only",
        body=PatternSerializer(partial=True),
        reply=PatternSerializer,
    )
    def patch(self, request: Request, pk: UUID) -> Response:
        pattern = _find(pk)
        return Response(_shown(changes.edit(pattern, _read(self.body(), changes.Draft.of(pattern)), by=self.person)))

    @Operation(
        "deletePattern",
        "Delete a pattern; answers with it as it was. It can be restored in the browser",
        reply=PatternSerializer,
    )
    def delete(self, request: Request, pk: UUID) -> Response:
        pattern = _find(pk)
        shown = _shown(pattern)
        changes.delete(pattern, by=self.person)
        return Response(shown)


class Order(_Resource):
    @Operation("getPatternsOrder", "Read the order", reply=PatternsOrderSerializer)
    def get(self, request: Request) -> Response:
        return _order()

    @Operation(
        "setPatternsOrder",
        "Set the order; each pattern is named once",
        body=PatternsOrderSerializer,
        reply=PatternsOrderSerializer,
    )
    def put(self, request: Request) -> Response:
        uuids = self.sent()["execution_order"]
        try:
            changes.reorder(uuids, by=self.person)
        except changes.PatternRejected as rejection:
            raise ValidationError({name: [rule] for name, rule in rejection.errors.items()}) from rejection
        return _order()


class ResetOrder(_Resource):
    @Operation("resetPatternsOrder", "Back to the longest window first", reply=PatternsOrderSerializer)
    def post(self, request: Request) -> Response:
        changes.reset_order(by=self.person)
        return _order()


def _order() -> Response:
    return Response({"execution_order": [str(pattern.uuid) for pattern in changes.in_order()]})


def _read(sent: Mapping[str, Any], base: changes.Draft | None = None) -> changes.Draft:
    try:
        return changes.read(transfer.known_fields(sent), base)
    except changes.PatternRejected as rejection:
        raise ValidationError({name: [rule] for name, rule in rejection.told.items()}) from rejection


def _find(uuid: UUID) -> CorrelationPattern:
    pattern = CorrelationPattern.objects.present().filter(uuid=uuid).first()
    if pattern is None:
        raise NotFound(f"There is no pattern {uuid}.")
    return pattern


def _shown(pattern: CorrelationPattern) -> dict[str, Any]:
    order = list(CorrelationPattern.objects.present().values_list("pk", flat=True))
    return as_data(pattern, order.index(pattern.pk) + 1)
