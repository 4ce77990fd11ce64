"""The base of the resources of incidents: their limits, the person or token of a request, and the reply of an action."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from alerts.api.alerts import error_response
from alerts.api.limits import RequestLimit
from appkeys.models import OrgToken
from incidents.actions import InvalidTransition
from people.api.operation import OperationView
from people.authentication import ApiKeyAuthentication
from people.models import User

NOTHING = HTTPStatus.NO_CONTENT


class Resource(OperationView):
    """A resource. Where BigPanda states a limit, one person or org token may send so many requests (docs/wire-contract.md §2.7)."""

    request_limit: RequestLimit | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.request_limit:
            who = cast(User | OrgToken, request.user or request.auth)
            self.request_limit.check(who.pk)


class PersonsResource(Resource):
    """A resource for the scripts of a person, who may do there what the person may do."""

    authentication_classes = (ApiKeyAuthentication,)

    @property
    def person(self) -> User:
        return cast(User, self.request.user)


def done(
    do: Callable[[], object], status: HTTPStatus = NOTHING, *, refused: HTTPStatus = HTTPStatus.CONFLICT
) -> Response:
    """Do something in one transaction. Return an empty reply, or `refused` with the reason why the incident does not allow it."""
    try:
        with transaction.atomic():
            do()
    except InvalidTransition as refusal:
        return error_response(refused, [str(refusal)])
    return Response(status=status)
