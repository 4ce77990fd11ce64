"""The webhooks of tools, by the routes of docs/wire-contract.md §9.1."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import NamedTuple, cast

from django.core.exceptions import RequestDataTooBig
from django.http import QueryDict
from django.utils import timezone
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from alerts import payload, sources
from alerts.api import sns
from alerts.api.alerts import (
    Alerts,
    AlertsAPI,
    error_response,
    rejected_response,
    store,
    success_response,
)
from alerts.events import EventRejected
from alerts.health import ingest_stats
from alerts.mapping import mapping
from alerts.payload import ValidatedRequest, active_app_key
from alerts.sources import Normalize, Source, bigpanda
from alerts.sources.reading import AlertObject, as_object, text_at
from appkeys.authentication import OrgTokenAuthentication, app_keys_of, sent_app_key
from appkeys.models import AppKey

# The body has the fields of the newest and of the oldest documentation (docs/wire-contract.md §9.1).
SUCCESS: dict[str, object] = {"status": 201, "data": {}, "response": {"status": "success"}}
FORM = "application/x-www-form-urlencoded"


# --- credentials


class Secrets(NamedTuple):
    """The secrets in one field, for a tool that has one field: `<org token>:<App Key>`, or the App Key alone."""

    token: str
    app_key: str


def secrets_in_one_field(request: Request) -> Secrets:
    """Return the secrets from Basic (App Key as user), from GenieKey, or from the field that the source declares."""
    source = _view(request).own_source
    scheme, _, sent = request.headers.get("Authorization", "").strip().partition(" ")
    match scheme.lower():
        case "basic":
            try:
                app_key, _, token = base64.b64decode(sent, validate=True).decode().partition(":")
            except (binascii.Error, ValueError):
                return Secrets("", "")
            return Secrets(token, app_key)
        case "geniekey":
            joined = sent
        case _ if source and source.secrets_field:
            joined = text_at(read(request), source.secrets_field) or request.headers.get(source.secrets_header, "")
        case _:
            return Secrets("", "")
    token, _, app_key = joined.strip().rpartition(":")
    return Secrets(token, app_key)


def _view(request: Request) -> WebhookView:
    return cast(WebhookView, request.parser_context["view"])


def secret_of_app_key(request: Request) -> str:
    """Return the App Key as sent: in query or headers, in the field for both secrets, or at the top of the payload."""
    named = sent_app_key(request) or secrets_in_one_field(request).app_key
    if not named:
        with suppress(APIException):  # the reply to an unreadable payload comes from the read that follows
            named = text_at(read(request), "app_key")
    return str(named or "")


class TokenInAnyField(OrgTokenAuthentication):
    """Authentication by the org token where the Alerts API takes it, or together with the App Key in one field."""

    @classmethod
    def _sent_token(cls, request: Request) -> str | None:
        return super()._sent_token(request) or secrets_in_one_field(request).token or None


# --- views


class WebhookView(AlertsAPI):
    """A view for the payload of a tool. Accepted alerts take the same way as those of the Alerts API."""

    authentication_classes = (TokenInAnyField,)
    own_source: Source | None = None  # of a route that belongs to one tool and has its replies

    def receive(self, request: Request, tool: str, source: Source | None, **fields_of_url: str) -> Response:
        """Answer a request.

        1. Find the App Key.
        2. Choose the App Key's mapping, or else the source.
        3. Read the payload and make alerts from it.
        4. Ingest the alerts.
        """
        received_at = timezone.now()
        secret = secret_of_app_key(request)
        app_key = app_keys_of(request)(secret)
        normalize = _normalize(app_key, source)
        if normalize is None:
            return self._answer_unknown_tool(tool, app_key)
        try:
            app_key = active_app_key(secret, lambda _: app_key)
            sent = read(request, as_mail=source is not None and source.reads_mail)
            if fields_of_url:
                sent = as_object(sent) | fields_of_url
            if source and source.is_signed_by_sns and not sns.admit(sent):
                return Response(SUCCESS, HTTPStatus.CREATED)
            alerts = normalize(sent)
        except EventRejected as error:
            return self._answer_unreadable(error, app_key, source)
        self.validated = _validate(alerts, app_key, received_at)
        outcomes = store(self.validated, received_at)
        self.validated.secrets = {secret, secrets_in_one_field(request).token} - {""}
        if self.validated.rejected and not outcomes:
            return rejected_response(self.validated, *_expected(source))
        if self.own_source and self.own_source.own_reply:
            status, body = self.own_source.own_reply(alerts)
            return Response(body, status)
        return success_response(SUCCESS, self.validated, outcomes)

    def _answer_unknown_tool(self, tool: str, app_key: AppKey | None) -> Response:
        """Answer a tool without source and mapping. The payload is kept as a sample for a mapping."""
        if app_key and app_key.is_active:
            self._keep_as_rejected(app_key)
        if app_key and tool == "custom":
            message = (
                "This App Key has no mapping yet. What was sent is kept as a sample: map it on its integration's page."
            )
            return error_response(HTTPStatus.BAD_REQUEST, [message])
        known = ", ".join(sources.SOURCES)
        message = (
            f"No integration speaks {tool!r}. Known are {known}; anything else can be mapped on the integration's page."
        )
        return error_response(HTTPStatus.NOT_FOUND, [message])

    def _answer_unreadable(self, error: EventRejected, app_key: AppKey | None, source: Source | None) -> Response:
        if error.field == "app_key":
            return error_response(HTTPStatus.BAD_REQUEST, [str(error)])
        if app_key:
            self._keep_as_rejected(app_key)
        return error_response(HTTPStatus.BAD_REQUEST, [str(error), *_expected(source)])

    def _keep_as_rejected(self, app_key: AppKey) -> None:
        self.validated = ValidatedRequest(app_keys_of_rejects=[app_key])
        ingest_stats.count((), (), [app_key])


class Webhook(WebhookView):
    """Receive the payload of one tool.

    201 if at least one alert was accepted, 204 if all were duplicates, 400 with a description of the right payload
    otherwise.
    """

    def post(self, request: Request, tool: str) -> Response:
        return self.receive(request, tool, sources.find(tool))


class OwnRoute(WebhookView):
    """Receive payloads of senders for another product, by the route and with the replies of that product."""

    def post(self, request: Request, **fields_of_url: str) -> Response:
        source = cast(Source, self.own_source)
        return self.receive(request, source.tool.slug, source, **fields_of_url)


class MappedAlerts(WebhookView, Alerts):
    """Receive alerts of the Alerts API, or any payload if the App Key has a mapping (docs/wire-contract.md §2.1)."""

    def post(self, request: Request) -> Response:
        app_key = app_keys_of(request)(secret_of_app_key(request))
        if app_key and mapping.current(app_key):
            return self.receive(request, "api", None)
        return super().post(request)


def _normalize(app_key: AppKey | None, source: Source | None) -> Normalize | None:
    mapped = mapping.current(app_key) if app_key else None
    return partial(mapping.alerts_of, mapped) if mapped else source.normalize if source else None


def _expected(source: Source | None) -> list[str]:
    return [f"Expected from {source.tool.title} is {source.expects}."] if source else []


def _validate(alerts: list[AlertObject], app_key: AppKey, received_at: datetime) -> ValidatedRequest:
    """Validate alerts one by one, as the Alerts API does."""
    validated = ValidatedRequest()
    for index, alert in enumerate(alerts):
        try:
            validated.accept(index, app_key, bigpanda.normalize(alert, received_at=received_at, may_follow=True))
        except EventRejected as error:
            validated.reject(index, app_key, error)
    return validated


def read(request: Request, *, as_mail: bool = False) -> object:
    """Return the payload: the fields of a form, or JSON under any other content type (SNS sends JSON as text/plain).

    If the only field of a form holds JSON, return that JSON. With `as_mail`, a body that is neither a form nor JSON by
    its content type is returned as bytes.
    """
    try:
        body: bytes = request.body
    except RequestDataTooBig as error:
        raise payload.PayloadTooLarge from error
    content_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if content_type == FORM and not body.lstrip().startswith((b"{", b"[")):  # curl sends any body under this type
        fields: Mapping[str, object] = QueryDict(body).dict()
    elif content_type == "multipart/form-data":
        fields = request._request.POST.dict()
    elif as_mail and "json" not in content_type:
        return body
    else:
        return payload.parse(body, request.headers.get("Content-Encoding", ""))
    if len(fields) == 1 and str(only := next(iter(fields.values()))).lstrip().startswith("{"):
        try:
            return json.loads(str(only))
        except (ValueError, RecursionError):
            return fields
    return fields
