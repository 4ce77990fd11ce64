"""The Alerts API: POST /data/v2/alerts, as BigPanda's senders know it (docs/wire-contract.md §2)."""

from __future__ import annotations

import logging
from collections import Counter
from http import HTTPStatus
from typing import Any, ClassVar, cast

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils import timezone
from django.views import defaults
from rest_framework.exceptions import APIException
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, set_rollback

from alerts import payload
from alerts.api import idempotency, limits
from alerts.health import inbox, ingest_stats, request_log
from alerts.ingest.ingest import IngestOutcome, ingest
from alerts.payload import ValidatedRequest, validate
from appkeys.authentication import HasOrgToken, OrgTokenAuthentication, app_keys_of, sent_app_key
from appkeys.models import OrgToken

logger = logging.getLogger(__name__)
TAKEN = (HTTPStatus.CREATED, HTTPStatus.ACCEPTED)
SUCCESS = {"response": {"status": "success"}}


class VerbNotSupported(APIException):
    status_code = HTTPStatus.NOT_IMPLEMENTED  # as BigPanda answers a wrong verb, docs/wire-contract.md §2.5


class DatabaseAway(APIException):
    """Nothing was stored, and the sender is told so: it may send the same again."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_detail = "The alerts could not be stored just now. Nothing was taken; send them again."
    headers: ClassVar = {"Retry-After": 5}


class AlwaysJSON(BaseContentNegotiation):
    """Senders ask for text/html, XML or nonsense; they all get JSON."""

    def select_parser(self, request: Request, parsers: Any) -> None:
        return None

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class AlertsAPI(APIView):
    """What every door for senders has in common: an org token, JSON in the answer, 501 for a wrong verb."""

    authentication_classes = (OrgTokenAuthentication,)
    permission_classes = (HasOrgToken,)
    content_negotiation_class = AlwaysJSON

    validated: ValidatedRequest | None = None  # what the request came to, once that is known

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        raise VerbNotSupported(f"{request.method} is not supported here. Send alerts with POST.")

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        if self.validated:
            told = {"path": request.path, "body": request.body, "status": response.status_code, "reply": response.data}
            inbox.record(self.validated, **told)
            if response.status_code in TAKEN:
                request_log.record(self.validated, path=request.path, body=request.body)
        return super().finalize_response(request, response, *args, **kwargs)


class Alerts(AlertsAPI):
    """Takes one alert, or a batch under `alerts`. 201 when at least one was accepted, 204 when all were duplicates, 400 when none was usable."""

    def post(self, request: Request) -> Response:
        try:
            body: bytes = request.body
        except RequestDataTooBig as error:
            raise payload.PayloadTooLarge from error
        if key := request.headers.get("Idempotency-Key"):
            return idempotency.once(
                key, token=cast(OrgToken, request.auth), request=body, answer=lambda: self._take(request, body)
            )
        return self._take(request, body)

    def _take(self, request: Request, body: bytes) -> Response:
        received_at = timezone.now()
        parsed = payload.parse(body, request.headers.get("Content-Encoding", ""))
        self.validated = validated = validate(
            parsed, sent_app_key(request), app_keys_of(request), received_at=received_at
        )
        limits.check(Counter(app_key for app_key, _ in validated.events))
        outcomes = ingest(validated.events, received_at=received_at) if validated.events else []
        ingest_stats.count(validated.events, outcomes, validated.app_keys_of_rejects)
        if not outcomes:
            messages = [f"{each['field']}: {each['rule']}" for each in validated.rejected]
            return error_response(HTTPStatus.BAD_REQUEST, messages, rejected=validated.rejected)
        if IngestOutcome.ACCEPTED not in outcomes:
            return Response(status=HTTPStatus.NO_CONTENT)
        details = {"rejected": validated.rejected, "notes": validated.notes}
        return Response(SUCCESS | {name: rows for name, rows in details.items() if rows}, HTTPStatus.CREATED)


# --- errors on the wire


def error_body(status: int, messages: list[str]) -> dict[str, object]:
    """The superset of BigPanda's error envelopes, old and new, so that every known client finds its message (docs/wire-contract.md §2.5)."""
    first = messages[0]
    return {
        "status": int(status),
        "errors": messages,
        "error": first,
        "response": {"status": first, "errors": messages},
    }


def error_response(status: int, messages: list[str], **details: object) -> Response:
    return Response(error_body(status, messages) | details, status)


def answer_error(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler for the API: every refusal in the wire's error shape."""
    if isinstance(error, OperationalError | InterfaceError):
        logger.error("the database is away: %s", error)
        error = DatabaseAway()
    if isinstance(error, SuspiciousOperation):
        error = payload.BadPayload(str(error))
    if not isinstance(error, APIException):
        return None
    response = error_response(error.status_code, _messages(error.detail))
    if header := getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = header
    for name, value in getattr(error, "headers", {}).items():
        response[name] = str(value)
    set_rollback()
    return response


def _messages(detail: object) -> list[str]:
    match detail:
        case list():
            return [message for each in detail for message in _messages(each)]
        case dict():
            return [f"{name}: {message}" for name, each in detail.items() for message in _messages(each)]
        case _:
            return [str(detail)]


def is_for_senders(path: str) -> bool:
    """Whether a path is one of the API's, where every answer is in the wire's shape."""
    return path.strip("/").split("/")[0] in ("data", "oim", "resources", "v2", "configurations")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's handler of what it refuses before any view: in the wire's shape for senders."""
    if not is_for_senders(request.path):
        return defaults.bad_request(request, exception)
    body = error_body(HTTPStatus.BAD_REQUEST, [str(exception) or "The request cannot be read."])
    return JsonResponse(body, status=HTTPStatus.BAD_REQUEST)


class NoSuchRoute(APIView):
    """Whatever else senders try under the API's prefixes."""

    content_negotiation_class = AlwaysJSON
    http_method_names = ()  # none is allowed, so each is answered below

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        return error_response(HTTPStatus.NOT_FOUND, [f"Route {request.path} is not found"])
