"""The tools' own webhooks: POST /oim/<tool>/alerts, and /data/integrations/<tool> as of old (docs/wire-contract.md §2.1, §9.1).

Senders for PagerDuty and Opsgenie find those services' own routes and replies.
"""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from collections import Counter
from contextlib import suppress
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import NamedTuple

from django.core.exceptions import RequestDataTooBig
from django.http import QueryDict
from django.utils import timezone
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from alerts import payload, sources
from alerts.api import limits, sns
from alerts.api.alerts import Alerts, AlertsAPI, error_response
from alerts.events import EventRejected
from alerts.health import ingest_stats
from alerts.ingest.ingest import IngestOutcome, ingest
from alerts.mapping import mapping
from alerts.payload import ValidatedRequest, active_app_key
from alerts.sources import Source, bigpanda
from alerts.sources.reading import AlertObject, an_object, text
from appkeys.authentication import OrgTokenAuthentication, app_keys_of, sent_app_key
from appkeys.models import AppKey

# Both shapes that BigPanda's newest and oldest texts promise (docs/wire-contract.md §2.5, §9.1).
SUCCESS: dict[str, object] = {"status": 201, "data": {}, "response": {"status": "success"}}
FORM = "application/x-www-form-urlencoded"


class Secrets(NamedTuple):
    """What stands in one field, where a tool has only one: `<org token>:<App Key>`, or the App Key alone."""

    token: str
    app_key: str


def sent_together(request: Request) -> Secrets:
    """Both secrets from Basic (App Key as the user), from GenieKey, or from a `routing_key`; empty what is not there."""
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
        case _ if request.path == sources.SOURCES["pagerduty"].tool.url:
            joined = text(read(request), "routing_key") or request.headers.get("X-Routing-Key", "")
        case _:
            return Secrets("", "")
    token, _, app_key = joined.strip().rpartition(":")
    return Secrets(token, app_key)


def sent_key(request: Request) -> str:
    """The App Key: from query or headers, from a field for both secrets, or from the top of the payload."""
    named = sent_app_key(request) or sent_together(request).app_key
    if not named:
        with suppress(APIException):  # what cannot be read is answered where it is read
            named = text(read(request), "app_key")
    return str(named or "")


class TokenInAnyField(OrgTokenAuthentication):
    """The org token where the Alerts API takes it, or together with the App Key in one field."""

    @classmethod
    def _sent_token(cls, request: Request) -> str | None:
        return super()._sent_token(request) or sent_together(request).token or None


class Door(AlertsAPI):
    """What the tools' doors have in common: a reply that says what was expected, and the same ingest as the Alerts API."""

    authentication_classes = (TokenInAnyField,)

    def take(self, request: Request, tool: str, source: Source | None, **told_by_the_url: str) -> Response:
        """1. Who speaks. 2. What is said. 3. By its mapping, where the App Key has one; else as the tool says it. 4. Ingest."""
        received_at = timezone.now()
        secret = sent_key(request)
        app_key = app_keys_of(request)(secret)
        mapped = mapping.current(app_key) if app_key else None
        normalize = partial(mapping.alerts_of, mapped) if mapped else source.normalize if source else None
        if normalize is None:
            return self.unknown(tool, app_key)
        try:
            app_key = active_app_key(secret, lambda _: app_key)
            sent = read(request, as_mail=tool == "email")
            if told_by_the_url:
                sent = an_object(sent) | told_by_the_url
            if tool.startswith("cloudwatch") and not sns.admit(sent):
                return Response(SUCCESS, HTTPStatus.CREATED)
            alerts = normalize(sent)
        except EventRejected as error:
            if app_key and error.field != "app_key":
                self.refuse(app_key)
            messages = [str(error)] if source is None or error.field == "app_key" else [str(error), expected(source)]
            return error_response(HTTPStatus.BAD_REQUEST, messages)
        validated, outcomes = store(alerts, app_key, received_at)
        validated.secrets = {secret, sent_together(request).token} - {""}
        return self.answer(source, alerts, (validated, outcomes))

    def unknown(self, tool: str, app_key: AppKey | None) -> Response:
        """No source, and no mapping: what was sent is kept as the sample to make one from."""
        if app_key and app_key.is_active:
            self.refuse(app_key)
        if app_key and tool == "custom":
            return error_response(
                HTTPStatus.BAD_REQUEST,
                [
                    "This App Key has no mapping yet. What was sent is kept as a sample: map it on its integration's page."
                ],
            )
        known = ", ".join(sources.SOURCES)
        message = (
            f"No integration speaks {tool!r}. Known are {known}; anything else can be mapped on the integration's page."
        )
        return error_response(HTTPStatus.NOT_FOUND, [message])

    def refuse(self, app_key: AppKey) -> None:
        self.validated = ValidatedRequest(app_keys_of_rejects=[app_key])
        ingest_stats.count((), (), [app_key])

    def answer(
        self, source: Source | None, alerts: list[AlertObject], taken: tuple[ValidatedRequest, list[IngestOutcome]]
    ) -> Response:
        self.validated, outcomes = taken
        if self.validated.rejected and not outcomes:
            messages = [f"{each['field']}: {each['rule']}" for each in self.validated.rejected]
            messages += [expected(source)] if source else []
            return error_response(HTTPStatus.BAD_REQUEST, messages, rejected=self.validated.rejected)
        return self.success(alerts, self.validated, outcomes)

    def success(
        self, alerts: list[AlertObject], validated: ValidatedRequest, outcomes: list[IngestOutcome]
    ) -> Response:
        if outcomes and IngestOutcome.ACCEPTED not in outcomes:
            return Response(status=HTTPStatus.NO_CONTENT)
        details = {"rejected": validated.rejected, "notes": validated.notes}
        return Response(SUCCESS | {name: rows for name, rows in details.items() if rows}, HTTPStatus.CREATED)


class Webhook(Door):
    """Takes what one tool sends. 201 when at least one alert was accepted, 204 when all were duplicates, 400 with what was expected otherwise."""

    def post(self, request: Request, tool: str) -> Response:
        return self.take(request, tool, sources.find(tool))


class MappedAlerts(Door, Alerts):
    """/oim/api/alerts: the Alerts API, unless the App Key has a mapping (docs/wire-contract.md §2.1)."""

    def post(self, request: Request) -> Response:
        app_key = app_keys_of(request)(sent_key(request))
        if app_key and mapping.current(app_key):
            return self.take(request, "api", None)
        return super().post(request)


class PagerDutyEvents(Door):
    """POST /v2/enqueue, answered 202 with the key, for duplicates too."""

    def post(self, request: Request) -> Response:
        return self.take(request, "pagerduty", sources.SOURCES["pagerduty"])

    def success(
        self, alerts: list[AlertObject], validated: ValidatedRequest, outcomes: list[IngestOutcome]
    ) -> Response:
        body = {"status": "success", "message": "Event processed", "dedup_key": alerts[0]["incident_identifier"]}
        return Response(body, HTTPStatus.ACCEPTED)


class OpsgenieAlerts(Door):
    """POST /v2/alerts and /v2/alerts/<alias>/close|acknowledge, answered 202 with a request id."""

    def post(self, request: Request, alias: str = "", action: str = "create") -> Response:
        told = {"action": action, **({"alias": alias} if alias else {})}
        return self.take(request, "opsgenie", sources.SOURCES["opsgenie"], **told)

    def success(
        self, alerts: list[AlertObject], validated: ValidatedRequest, outcomes: list[IngestOutcome]
    ) -> Response:
        body = {"result": "Request will be processed", "took": 0.0, "requestId": str(uuid.uuid4())}
        return Response(body, HTTPStatus.ACCEPTED)


def expected(source: Source) -> str:
    return f"Expected from {source.tool.title} is {source.expects}."


def store(
    alerts: list[AlertObject], app_key: AppKey, received_at: datetime
) -> tuple[ValidatedRequest, list[IngestOutcome]]:
    """Judge alerts one by one, as the Alerts API does, and store those that can be taken."""
    validated = ValidatedRequest()
    for index, alert in enumerate(alerts):
        try:
            validated.accept(index, app_key, bigpanda.normalize(alert, received_at=received_at, may_follow=True))
        except EventRejected as error:
            validated.reject(index, app_key, error)
    limits.check(Counter(app_key for app_key, _ in validated.events))
    outcomes = ingest(validated.events, received_at=received_at) if validated.events else []
    ingest_stats.count(validated.events, outcomes, validated.app_keys_of_rejects)
    return validated, outcomes


def read(request: Request, *, as_mail: bool = False) -> object:
    """The payload: a form's fields, or JSON under any other content type (SNS says text/plain). JSON in a form's only field is that JSON.

    With `as_mail`, what is neither a form nor said to be JSON is a message as it stands.
    """
    try:
        body: bytes = request.body
    except RequestDataTooBig as error:
        raise payload.PayloadTooLarge from error
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == FORM and not body.lstrip().startswith((b"{", b"[")):  # what curl says of all that it is told to send
        fields = QueryDict(body).dict()
    elif kind == "multipart/form-data":
        fields = request._request.POST.dict()
    elif as_mail and "json" not in kind:
        return body
    else:
        return payload.parse(body, request.headers.get("Content-Encoding", ""))
    if len(fields) == 1 and str(only := next(iter(fields.values()))).lstrip().startswith("{"):
        try:
            return json.loads(str(only))
        except (ValueError, RecursionError):
            return fields
    return fields
