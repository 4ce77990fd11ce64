"""What the resources of incidents have in common: how a body is read, and how what is done is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, cast

from django.db import transaction
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alerts.api.alerts import error_response
from alerts.api.limits import RequestLimit
from appkeys.models import OrgToken
from incidents.actions import InvalidTransition
from people.authentication import ApiKeyAuthentication
from people.models import User

COMMENT_LIMIT = 10_000
NOTHING = HTTPStatus.NO_CONTENT


class Resource(APIView):
    """Takes a JSON object; where BigPanda states a limit, so many requests of one person or org token."""

    request_limit: RequestLimit | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.request_limit:
            who = cast(User | OrgToken, request.user or request.auth)
            self.request_limit.check(who.pk)

    def sent(self) -> Mapping[str, Any]:
        body: Any = self.request.data
        if not body:
            return {}
        if not isinstance(body, dict):
            raise ValidationError(["The body must be a JSON object."])
        return body

    def text(self, name: str, *, required: bool = False, limit: int = COMMENT_LIMIT) -> str:
        """A text of the body; clients send null where they have none."""
        said = self.sent().get(name) or ""
        if not isinstance(said, str) or len(said) > limit:
            raise ValidationError({name: [f"must be text of {limit:,} characters at most."]})
        if required and not said.strip():
            raise ValidationError({name: ["must say something."]})
        return said


class PersonsResource(Resource):
    """For somebody's own script, which may what they may."""

    authentication_classes = (ApiKeyAuthentication,)

    @property
    def person(self) -> User:
        return cast(User, self.request.user)


def done(
    do: Callable[[], object], status: HTTPStatus = NOTHING, *, refused: HTTPStatus = HTTPStatus.CONFLICT
) -> Response:
    """Do it, or say why the incident does not allow it."""
    try:
        with transaction.atomic():
            do()
    except InvalidTransition as refusal:
        return error_response(refused, [str(refusal)])
    return Response(status=status)


def is_key(value: object) -> bool:
    """Whether it can be the id of something here."""
    return str(value).isdecimal() and len(str(value)) <= 18 + 1 and int(str(value)) < 2**63


def moment(sent: Mapping[str, Any], name: str) -> datetime | None:
    """A time in seconds since 1970. Raises ValidationError where it is something else."""
    value = sent.get(name)
    if value in (None, ""):
        return None
    try:
        return datetime.fromtimestamp(int(str(value)), UTC)
    except (ValueError, OverflowError, OSError):
        raise ValidationError({name: ["must be a time in seconds since 1970."]}) from None
