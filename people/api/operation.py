"""Operations of API views, declared once: what a request holds, and what a view answers.

The view reads its request by the declaration, and the OpenAPI document describes the declaration
(bigpanda_site/openapi.py). This module imports nothing of drf-spectacular, because a web process loads that library
only to make the document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.views import APIView

JSONDict = dict[str, Any]
Shape = type[serializers.Serializer[Any]] | serializers.BaseSerializer[Any]
Method = TypeVar("Method", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Operation:
    """Declaration of one method of a view: what callers send, and what the view answers.

    An instance is a decorator of the method: `@Operation("listPatterns", "List the patterns", reply=…)`.
    """

    name: str  # the operationId of the document
    summary: str
    _: KW_ONLY
    query: type[serializers.Serializer[Any]] | None = None
    body: Shape | tuple[Shape, ...] | None = None  # several: any one of them
    reply: Shape | tuple[Shape, ...] | None = None  # None: an empty body
    status: HTTPStatus = HTTPStatus.OK
    or_nothing: bool = False  # whether the view answers 204 instead of an empty list
    refused: tuple[HTTPStatus, ...] = ()  # in addition to those that follow from the view
    examples: Mapping[str, JSONDict] = field(default_factory=dict)  # of the body, as OpenAPI Example Objects

    def __call__(self, method: Method) -> Method:
        vars(method)["operation"] = self
        return method


def operation_of(view: APIView | type[APIView], method: str) -> Operation | None:
    """Return the operation that a view declares for an HTTP method."""
    found: Operation | None = getattr(getattr(view, method.lower(), None), "operation", None)
    return found


class OperationView(APIView):
    """A view that declares the operations of its methods and reads its requests by them."""

    tag = ""  # the group of its operations in the document

    @property
    def operation(self) -> Operation:
        declared = operation_of(self, str(self.request.method))
        assert declared  # noqa: S101 - a programming error
        return declared

    def asked(self) -> JSONDict:
        """Return the values of the query string. Raise ValidationError with the name of each field that is wrong."""
        assert self.operation.query  # noqa: S101 - a programming error
        return validated(self.operation.query(data=self.request.query_params.dict()))

    def body(self) -> JSONDict:
        """Return the JSON object that was sent, or an empty one if the body is empty. Raise ValidationError for any other body."""
        sent: Any = self.request.data or {}
        if not isinstance(sent, dict):
            raise ValidationError(["The body must be a JSON object."])
        return dict(sent.items())

    def sent(self) -> JSONDict:
        """Return the values of the body. Raise ValidationError with the name of each field that is wrong."""
        assert isinstance(self.operation.body, type)  # noqa: S101 - a programming error
        return validated(self.operation.body(data=self.body()))


def validated(serializer: serializers.BaseSerializer[Any]) -> JSONDict:
    """Return the values that a serializer reads. Raise ValidationError with the name of each field that is wrong."""
    serializer.is_valid(raise_exception=True)
    values: JSONDict = serializer.validated_data
    return values


class RefusalErrorsSerializer(serializers.Serializer[Any]):
    status = serializers.CharField(help_text="The first message.")
    errors = serializers.ListField(child=serializers.CharField(), help_text="Every message.")  # type: ignore[assignment]


class RejectedItemSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField(help_text="The place in the list that was sent, from 0.")
    rule = serializers.CharField()


class RefusalSerializer(serializers.Serializer[Any]):
    """A refusal, as `alerts.api.alerts.error_body` makes it. For the document only."""

    status = serializers.IntegerField(help_text="The status of the reply.")
    errors = serializers.ListField(  # type: ignore[assignment] # the metaclass takes fields out of the class
        child=serializers.CharField(), help_text="Every message, with the name of its field."
    )
    error = serializers.CharField(help_text="The first message.")
    response = RefusalErrorsSerializer(help_text="The oldest shape of the same.")
    rejected = RejectedItemSerializer(many=True, required=False, help_text="What is wrong in a list that was sent.")
    rejected_count = serializers.IntegerField(required=False, help_text="How many are wrong, if not all are listed.")
