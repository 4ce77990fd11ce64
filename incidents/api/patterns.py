"""Correlation patterns under /resources (docs/wire-contract.md §4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from alerts.api.alerts import error_response
from alerts.api.limits import PATTERN_REQUESTS
from incidents.api.resource import PersonsResource
from incidents.models import CorrelationPattern
from incidents.patterns import changes, transfer
from incidents.patterns.transfer import as_data
from people.models import Area
from people.permissions import permits


class _Resource(PersonsResource):
    permission_classes = (permits(Area.PATTERNS),)
    request_limit = PATTERN_REQUESTS

    def sent(self) -> Mapping[str, Any]:
        if not isinstance(self.request.data, dict):
            raise ValidationError(["The body must be a JSON object."])
        return self.request.data


class Patterns(_Resource):
    """The patterns in their order; a new one, or a whole list of them, which is taken as a whole or not at all."""

    def get(self, request: Request) -> Response:
        found = transfer.all_as_data()
        match request.query_params.get("active"):
            case None | "":
                return Response(found)
            case "true" | "false" as wanted:
                return Response([each for each in found if each["active"] is (wanted == "true")])
        raise ValidationError({"active": ["must be true or false."]})

    def post(self, request: Request) -> Response:
        if isinstance(request.data, list):
            return self._bring_in(request.data)
        pattern = changes.create(_read(self.sent()), by=self.person)
        return Response(_shown(pattern))

    def _bring_in(self, sent: list[Any]) -> Response:
        if not 1 <= len(sent) <= transfer.IMPORT_LIMIT:
            raise ValidationError([f"Expected 1 to {transfer.IMPORT_LIMIT} patterns."])
        plan = transfer.plan(sent)
        if plan.errors:
            rejected = [{"index": index, "rule": rule} for index, rule in plan.errors.items()]
            messages = [f"{each['index']}: {each['rule']}" for each in rejected]
            return error_response(HTTPStatus.BAD_REQUEST, messages, rejected=rejected)
        return Response([_shown(pattern) for pattern in transfer.carry_out(plan, by=self.person)])


class Pattern(_Resource):
    def get(self, request: Request, uuid: UUID) -> Response:
        return Response(_shown(_find(uuid)))

    def patch(self, request: Request, uuid: UUID) -> Response:
        pattern = _find(uuid)
        return Response(_shown(changes.edit(pattern, _read(self.sent(), changes.Draft.of(pattern)), by=self.person)))

    def delete(self, request: Request, uuid: UUID) -> Response:
        """Answers with the pattern as it was."""
        pattern = _find(uuid)
        shown = _shown(pattern)
        changes.delete(pattern, by=self.person)
        return Response(shown)


class Order(_Resource):
    """The order in which patterns are asked."""

    def get(self, request: Request) -> Response:
        return Response({"execution_order": [str(pattern.uuid) for pattern in changes.in_order()]})

    def put(self, request: Request) -> Response:
        sent = self.sent().get("execution_order")
        try:
            uuids = [UUID(each) for each in sent] if isinstance(sent, list) else None
        except (ValueError, AttributeError, TypeError):
            uuids = None
        if uuids is None:
            raise ValidationError({"execution_order": ["must be a list of the ids of all patterns."]})
        try:
            changes.reorder(uuids, by=self.person)
        except changes.PatternRejected as rejection:
            raise ValidationError({name: [rule] for name, rule in rejection.errors.items()}) from rejection
        return self.get(request)


class ResetOrder(_Resource):
    """Back to the longest window first."""

    def post(self, request: Request) -> Response:
        changes.reset_order(by=self.person)
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
