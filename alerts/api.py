"""The Alerts API: POST /data/v2/alerts, as BigPanda's senders know it (bigpanda.md §1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import Http404
from django.utils import timezone
from rest_framework.exceptions import APIException, NotAuthenticated, NotFound
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, set_rollback

from alerts import payload
from alerts.events import EventRejected
from alerts.ingest import Outcome, ingest
from alerts.sources import bigpanda
from appkeys.authentication import HasOrgToken, OrgTokenAuthentication, find_app_key, sent_app_key
from appkeys.models import AppKey


class VerbNotSupported(APIException):
    status_code = HTTPStatus.NOT_IMPLEMENTED  # as BigPanda answers a wrong verb, bigpanda.md §1.4


class AlwaysJSON(BaseContentNegotiation):
    """Senders ask for text/html, XML or nonsense; they all get JSON."""

    def select_parser(self, request: Request, parsers: Any) -> None:
        return None

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


@dataclass(slots=True)
class Judged:
    """What became of one request's alerts."""

    outcomes: list[Outcome] = field(default_factory=list)
    rejected: list[dict[str, object]] = field(default_factory=list)
    notes: list[dict[str, object]] = field(default_factory=list)


class Alerts(APIView):
    """Takes one alert, or a batch under `alerts`. 201 when at least one was accepted, 204 when all were duplicates, 400 when none was usable."""

    authentication_classes = (OrgTokenAuthentication,)
    permission_classes = (HasOrgToken,)
    content_negotiation_class = AlwaysJSON

    def post(self, request: Request) -> Response:
        try:
            body = request.body
        except RequestDataTooBig as error:
            raise payload.PayloadTooLarge from error
        items = _items(payload.parse(body, request.headers.get("Content-Encoding", "")))
        judged = self._judge(items, sent_app_key(request), received_at=timezone.now())
        if Outcome.ACCEPTED in judged.outcomes:
            details = {name: rows for name in ("rejected", "notes") if (rows := getattr(judged, name))}
            return Response({"response": {"status": "success"}, **details}, HTTPStatus.CREATED)
        if judged.outcomes:
            return Response(status=HTTPStatus.NO_CONTENT)
        return error_response(HTTPStatus.BAD_REQUEST, [_worded(each) for each in judged.rejected], rejected=judged.rejected)

    def http_method_not_allowed(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        raise VerbNotSupported(f"{request.method} is not supported here. Send alerts with POST.")

    @staticmethod
    def _judge(items: list[object], key_for_all: object, *, received_at: datetime) -> Judged:
        """Judge items one by one; a reject is listed with its index, field and rule, and costs its neighbours nothing."""
        judged, taken = Judged(), []
        app_keys: dict[str, AppKey] = {}
        for index, item in enumerate(items):
            try:
                event = bigpanda.normalize(item, received_at=received_at)
                app_key = _app_key(item, key_for_all, app_keys)
            except EventRejected as error:
                judged.rejected.append({"index": index, "field": error.field, "rule": error.rule})
            else:
                judged.notes += ({"index": index, "field": note.field, "rule": note.rule} for note in event.notes)
                taken.append((app_key, event))
        judged.outcomes = ingest(taken, received_at=received_at) if taken else []
        return judged

    def permission_denied(self, request: Request, message: str | None = None, code: str | None = None) -> None:
        raise NotAuthenticated(message)


def _items(body: object) -> list[object]:
    """The alerts of a payload: itself, or those under `alerts`; a bare array is taken as a batch too."""
    if isinstance(body, dict) and "status" not in body and "alerts" in body:
        batch, common = body["alerts"], body.get("app_key")
        if not isinstance(batch, list):
            raise payload.BadPayload("alerts: must be an array of alert objects.")
    elif isinstance(body, list):
        batch, common = body, None
    else:
        return [body]
    if not batch:
        raise payload.BadPayload("alerts: must hold at least one alert.")
    return [{"app_key": common, **item} if common is not None and isinstance(item, dict) else item for item in batch]


def _app_key(item: object, key_for_all: object, known: dict[str, AppKey]) -> AppKey:
    """The App Key an item is sent under: its own, its batch's, or the request's. `known` spares a look-up for each item."""
    secret = (item.get("app_key") if isinstance(item, dict) else None) or key_for_all
    if not secret:
        raise EventRejected("app_key", "is required: send the App Key in the payload, as '?app_key=' or in the header 'X-App-Key'")
    if not isinstance(secret, str):
        raise EventRejected("app_key", "must be a string")
    if secret not in known:
        app_key = find_app_key(secret)
        if app_key is None:
            raise EventRejected("app_key", "is not known here; check it, or create an App Key under Integrations")
        if not app_key.is_active:
            raise EventRejected("app_key", f"of the integration {app_key.name!r} was deactivated")
        known[secret] = app_key
    return known[secret]


def _worded(reject: dict[str, object]) -> str:
    return f"{reject['field']}: {reject['rule']}"


# --- errors on the wire


def error_response(status: int, messages: list[str], **details: object) -> Response:
    """The superset of BigPanda's error envelopes, old and new, so that every known client finds its message (bigpanda.md §1.4)."""
    first = messages[0]
    body = {"status": int(status), "errors": messages, "error": first, "response": {"status": first, "errors": messages}}
    return Response(body | details, status)


def answer_error(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler for the API: every refusal in the wire's error shape."""
    if isinstance(error, Http404):
        error = NotFound()
    if not isinstance(error, APIException):
        return None
    response = error_response(error.status_code, _messages(error.detail))
    if header := getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = header
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


class NoSuchRoute(APIView):
    """Whatever else senders try under the API's prefixes."""

    content_negotiation_class = AlwaysJSON

    http_method_names = ()  # none is allowed, so each is answered below

    def http_method_not_allowed(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return error_response(HTTPStatus.NOT_FOUND, [f"Route {request.path} is not found"])
