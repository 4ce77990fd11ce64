"""The operations that views declare, as OpenAPI, made by drf-spectacular.

Only `bigpanda_site.openapi` imports this module, at the first request for the document: the library takes a quarter of a second to load.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.generators import EndpointEnumerator, SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, PolymorphicProxySerializer

from appkeys.authentication import OrgTokenAuthentication
from people.api.operation import JSONDict, Operation, OperationView, RefusalSerializer, Shape, operation_of
from people.authentication import ApiKeyAuthentication

SECURITY: dict[type, list[dict[str, list[str]]]] = {
    ApiKeyAuthentication: [{"api_key": []}],
    OrgTokenAuthentication: [{"bearer": []}, {"access_token": []}],
}
REFUSALS = {
    HTTPStatus.BAD_REQUEST: "What is wrong, by field.",
    HTTPStatus.UNAUTHORIZED: "No valid API key or org token.",
    HTTPStatus.FORBIDDEN: "The role, or the org token, does not open this.",
    HTTPStatus.NOT_FOUND: "There is no such thing.",
    HTTPStatus.CONFLICT: "The incident does not allow this now.",
    HTTPStatus.TOO_MANY_REQUESTS: "More requests than one may send in this time.",
}


class DeclaredOperations(EndpointEnumerator):
    """The endpoints whose methods declare an operation."""

    def get_allowed_methods(self, callback: Any) -> list[str]:
        return [method for method in super().get_allowed_methods(callback) if operation_of(callback.cls, method)]


class Generator(SchemaGenerator):
    endpoint_inspector_cls = DeclaredOperations


class OperationSchema(AutoSchema):
    """The schema of one declared operation."""

    @property
    def operation(self) -> Operation:
        declared = operation_of(self.view, self.method)
        assert declared  # noqa: S101 - DeclaredOperations leaves out the others
        return declared

    def get_operation_id(self) -> str:
        return self.operation.name

    def get_summary(self) -> str:
        return self.operation.summary

    def get_tags(self) -> list[str]:
        return [cast(OperationView, self.view).tag]

    def get_auth(self) -> list[JSONDict]:
        return [each for scheme in self.view.authentication_classes for each in SECURITY[scheme]]

    def map_parsers(self) -> list[str]:
        return ["application/json"]

    def get_override_parameters(self) -> list[Any]:
        waits = OpenApiParameter(
            "Retry-After",
            int,
            OpenApiParameter.HEADER,
            response=[HTTPStatus.TOO_MANY_REQUESTS],
            required=True,
            description="Seconds to wait.",
        )
        return [waits, *([self.operation.query] if self.operation.query else [])]

    def get_request_serializer(self) -> Any:
        return _any_of(self.operation.body, self.operation.name)

    def get_response_serializers(self) -> Any:
        operation = self.operation
        answers = {operation.status: OpenApiResponse(_any_of(operation.reply, f"{operation.name}Reply"), "Done.")}
        if operation.or_nothing:
            answers[HTTPStatus.NO_CONTENT] = OpenApiResponse(None, "There is none.")
        for status in sorted({*self._refusals(), *operation.refused}):
            answers[status] = OpenApiResponse(RefusalSerializer, REFUSALS[status])
        return {int(status): answer for status, answer in answers.items()}

    def _refusals(self) -> set[HTTPStatus]:
        """Return the refusals that follow from what the view takes."""
        refusals = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
        if self.operation.query or self.operation.body:
            refusals.add(HTTPStatus.BAD_REQUEST)
        if "{" in self.path:
            refusals.add(HTTPStatus.NOT_FOUND)
        if getattr(self.view, "request_limit", None):
            refusals.add(HTTPStatus.TOO_MANY_REQUESTS)
        return refusals

    def get_examples(self) -> list[OpenApiExample]:
        return [
            OpenApiExample(name, value=each["value"], summary=each.get("summary", ""), request_only=True)
            for name, each in self.operation.examples.items()
        ]


def _any_of(shape: Shape | tuple[Shape, ...] | None, name: str) -> Any:
    """Return a shape as drf-spectacular takes it. Several are alternatives, under a name of their own."""
    if not isinstance(shape, tuple):
        return shape
    return PolymorphicProxySerializer(
        name[0].upper() + name[1:], cast(Any, shape), resource_type_field_name=None, many=False
    )


class PartSchema(OpenApiSerializerFieldExtension):
    """The schema of a part of a body."""

    target_class = "people.api.fields.Part"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> Any:
        return auto_schema._map_serializer_field(self.target.shape(), direction)


class DescribedSchema(OpenApiSerializerFieldExtension):
    """The schema of a field that brings one."""

    target_class = "people.api.fields.Described"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> Any:
        return dict(self.target.sent_as if direction == "request" else self.target.shown_as)


def without_marks_of_enums(result: Any, **_: Any) -> Any:
    """Return the document without the marks by which drf-spectacular would give each enum a component."""
    if isinstance(result, dict):
        return {name: without_marks_of_enums(each) for name, each in result.items() if name != "x-spec-enum-id"}
    return [without_marks_of_enums(each) for each in result] if isinstance(result, list) else result


def described_operations() -> JSONDict:
    """Return the document of all declared operations: their paths and components."""
    document: JSONDict = Generator().get_schema(public=True)
    return document
