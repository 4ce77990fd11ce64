"""The Alerts API: POST /data/v2/alerts, by the standard path (docs/wire-contract.md §2)."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, ClassVar, cast

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils import timezone
from django.views import defaults
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, set_rollback

from alerts import payload
from alerts.api import idempotency
from alerts.health import inbox, ingest_stats, request_log
from alerts.ingest import event_limit
from alerts.ingest.ingest import IngestOutcome, ingest
from alerts.payload import ValidatedRequest, validate
from appkeys.authentication import HasOrgToken, OrgTokenAuthentication, app_keys_of, sent_app_key
from appkeys.models import AppKey, OrgToken
from bpql import SearchStopped
from db import outage
from db.outage import Outage
from telemetry import counts

logger = logging.getLogger(__name__)
SUCCESSES = (HTTPStatus.CREATED, HTTPStatus.ACCEPTED)
LARGE_BODY = 64 * 1024  # bytes
SUCCESS = {"response": {"status": "success"}}


class MethodNotSupported(APIException):
    status_code = HTTPStatus.NOT_IMPLEMENTED  # not 405, as BigPanda answers (docs/wire-contract.md §2.5)


class DatabaseOut(APIException):
    """A reply that tells the sender to send the request again."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    headers: ClassVar = {"Retry-After": 5}


def sentence_about(found: Outage) -> str:
    # A server that stopped answering may have stored what it was sent.
    what_now = "Nothing may have been taken; send" if found is Outage.AWAY else "Nothing was taken; send"
    return f"{found.value} {what_now} the request again. What arrives twice is stored once."


class AlwaysJSON(BaseContentNegotiation):
    """Content negotiation that ignores the Accept header: every reply is JSON."""

    def select_parser(self, request: Request, parsers: Any) -> None:
        return None

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class AlertsAPI(APIView):
    """A view for senders: authentication by org token, replies in JSON, 501 for a wrong method."""

    authentication_classes = (OrgTokenAuthentication,)
    permission_classes = (HasOrgToken,)
    content_negotiation_class = AlwaysJSON

    validated: ValidatedRequest | None = None  # None until the request is validated
    began = 0.0

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        raise MethodNotSupported(f"{request.method} is not supported here. Send alerts with POST.")

    def setup(self, request: Any, *args: Any, **kwargs: Any) -> None:
        self.began = time.perf_counter()
        super().setup(request, *args, **kwargs)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        if response.status_code < HTTPStatus.BAD_REQUEST:
            counts.accept_seconds.observe([time.perf_counter() - self.began])
        else:
            counts.count(f'console_refused_requests_total{{status="{response.status_code}"}}')
        if self.validated:
            counts.count('console_events_total{outcome="rejected"}', self.validated.rejected_count)
            sent = {"path": request.path, "body": request.body}
            inbox.record(self.validated, **sent, status=response.status_code, reply=response.data)
            if response.status_code in SUCCESSES:
                request_log.record(self.validated, **sent)
        return super().finalize_response(request, response, *args, **kwargs)


class Alerts(AlertsAPI):
    """Receive one alert, or a batch under `alerts`.

    201 if at least one alert was accepted, 204 if all were duplicates, 400 if none was usable.
    """

    def post(self, request: Request) -> Response:
        try:
            body: bytes = request.body
        except RequestDataTooBig as error:
            raise payload.PayloadTooLarge from error
        if key := request.headers.get("Idempotency-Key"):
            return idempotency.reply_once(
                key, token=cast(OrgToken, request.auth), request=body, answer=lambda: self._ingest(request, body)
            )
        return self._ingest(request, body)

    def _ingest(self, request: Request, body: bytes) -> Response:
        received_at = timezone.now()
        parsed = payload.parse(body, request.headers.get("Content-Encoding", ""))
        find_app_key = app_keys_of(request)

        def find_allowed(secret: str) -> AppKey | None:
            """Refuse a batch before its validation, which takes seconds, if its App Key may not send one more event."""
            if app_key := find_app_key(secret):
                self.validated = ValidatedRequest(app_keys_of_rejects=[app_key])
                event_limit.check(app_key)
            return app_key

        find = find_allowed if len(body) > LARGE_BODY else find_app_key
        self.validated = validate(parsed, sent_app_key(request), find, received_at=received_at)
        outcomes = store(self.validated, received_at)
        return success_response(SUCCESS, self.validated, outcomes) if outcomes else rejected_response(self.validated)


def store(validated: ValidatedRequest, received_at: datetime) -> list[IngestOutcome]:
    """Ingest the events of a request and count them. Return one outcome per event. Raise TooManyRequests."""
    event_limit.count(validated.events)
    outcomes = ingest(validated.events, received_at=received_at) if validated.events else []
    ingest_stats.count(validated.events, outcomes, validated.app_keys_of_rejects)
    return outcomes


def success_response(
    body: Mapping[str, object], validated: ValidatedRequest, outcomes: Collection[IngestOutcome]
) -> Response:
    """Return 204 if all events were duplicates, else 201 with the first rejects and repairs, and their numbers."""
    if outcomes and IngestOutcome.ACCEPTED not in outcomes:
        return Response(status=HTTPStatus.NO_CONTENT)
    return Response({**body, **_findings(validated)}, HTTPStatus.CREATED)


def rejected_response(validated: ValidatedRequest, *more: str) -> Response:
    messages = [f"{each['field']}: {each['rule']}" for each in validated.rejected]
    if unlisted := validated.rejected_count - len(messages):
        messages.append(f"{unlisted:,} more alerts were rejected.")
    return error_response(HTTPStatus.BAD_REQUEST, [*messages, *more], **_findings(validated))


def _findings(validated: ValidatedRequest) -> dict[str, object]:
    """Return the first rejects and repairs, each with the number of all where they are not all listed."""
    found: dict[str, object] = {}
    for name, rows, count in (
        ("rejected", validated.rejected, validated.rejected_count),
        ("notes", validated.notes, validated.notes_count),
    ):
        if rows:
            found[name] = rows
        if count > len(rows):
            found[f"{name}_count"] = count
    return found


# --- error replies


def error_body(status: int, messages: list[str]) -> dict[str, object]:
    """Return a body with all of BigPanda's error envelopes, old and new (docs/wire-contract.md §2.5).

    Only the first messages are listed: a small request can be wrong in a million places.
    """
    first = messages[0]
    if len(messages) > payload.LISTED + 2:  # a list of LISTED with a sentence before or behind it stays as it is
        messages = [*messages[: payload.LISTED], f"… and {len(messages) - payload.LISTED:,} more messages."]
    return {
        "status": int(status),
        "errors": messages,
        "error": first,
        "response": {"status": first, "errors": messages},
    }


def error_response(status: int, messages: list[str], **details: object) -> Response:
    return Response(error_body(status, messages) | details, status)


def answer_error(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return the reply to an exception in a view. REST framework calls this function."""
    if found := outage.note(error):
        logger.error("%s %s", found.value, error)
        error = DatabaseOut(sentence_about(found))
    if isinstance(error, SearchStopped):
        # Not 503: the same search would take as long again, and clients repeat what 503 refuses.
        error = ValidationError({"CONSOLE_SEARCH_SECONDS": [error.message]})
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
    """Return whether a path belongs to the API, where every reply is JSON."""
    return path.strip("/").split("/")[0] in ("data", "oim", "resources", "v2", "configurations")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer a request that Django refuses before any view. This function is Django's `handler400`."""
    if not is_for_senders(request.path):
        return defaults.bad_request(request, exception)
    body = error_body(HTTPStatus.BAD_REQUEST, [str(exception) or "The request cannot be read."])
    return JsonResponse(body, status=HTTPStatus.BAD_REQUEST)


class NoSuchRoute(APIView):
    """Answer 404 to every other route under the prefixes of the API."""

    content_negotiation_class = AlwaysJSON
    http_method_names = ()  # no method is allowed, so the next function answers every method

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        return error_response(HTTPStatus.NOT_FOUND, [f"Route {request.path} is not found"])
