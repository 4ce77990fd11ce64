"""The tools' own webhooks: POST /oim/<tool>/alerts, and /data/integrations/<tool> as of old (bigpanda.md §1.1, §8)."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from http import HTTPStatus

from django.core.exceptions import RequestDataTooBig
from django.http import QueryDict
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from alerts import counting, limits, payload, sources
from alerts.api import AlertsAPI, error_response
from alerts.events import EventRejected
from alerts.ingest import Outcome, ingest
from alerts.judging import Judged, named_app_key
from alerts.sources import Source, bigpanda
from alerts.sources.reading import AlertObject
from appkeys.authentication import find_app_key, sent_app_key
from appkeys.models import AppKey

# Both shapes that BigPanda's newest and oldest texts promise (bigpanda.md §1.4, §8).
SUCCESS: dict[str, object] = {"status": 201, "data": {}, "response": {"status": "success"}}
FORM = "application/x-www-form-urlencoded"


class Webhook(AlertsAPI):
    """Takes what one tool sends. 201 when at least one alert was accepted, 204 when all were duplicates, 400 with what was expected otherwise."""

    def post(self, request: Request, tool: str) -> Response:
        source = sources.find(tool)
        if source is None:
            known = ", ".join(sources.SOURCES)
            return error_response(
                HTTPStatus.NOT_FOUND,
                [f"No integration speaks {tool!r}. Known are {known}; anything else can be mapped."],
            )
        received_at = timezone.now()
        app_key = None
        try:
            app_key = named_app_key(sent_app_key(request), find_app_key)
            alerts = source.normalize(read(request))
        except EventRejected as error:
            return refuse(source, app_key, error)
        return self.reply(store(alerts, app_key, received_at), source)

    def reply(self, taken: tuple[Judged, list[Outcome]], source: Source) -> Response:
        judged, outcomes = taken
        if judged.rejected and not outcomes:
            messages = [f"{each['field']}: {each['rule']}" for each in judged.rejected]
            return error_response(HTTPStatus.BAD_REQUEST, [*messages, expected(source)], rejected=judged.rejected)
        if outcomes and Outcome.ACCEPTED not in outcomes:
            return Response(status=HTTPStatus.NO_CONTENT)
        details = {"rejected": judged.rejected, "notes": judged.notes}
        return Response(SUCCESS | {name: rows for name, rows in details.items() if rows}, HTTPStatus.CREATED)


def expected(source: Source) -> str:
    return f"Expected from {source.tool.title} is {source.expects}."


def refuse(source: Source, app_key: AppKey | None, error: EventRejected) -> Response:
    if app_key:
        counting.count((), (), [app_key])
    return error_response(
        HTTPStatus.BAD_REQUEST, [str(error), expected(source)] if error.field != "app_key" else [str(error)]
    )


def store(alerts: list[AlertObject], app_key: AppKey, received_at: datetime) -> tuple[Judged, list[Outcome]]:
    """Judge alerts one by one, as the Alerts API does, and store those that can be taken."""
    judged = Judged()
    for index, alert in enumerate(alerts):
        try:
            judged.take(index, app_key, bigpanda.normalize(alert, received_at=received_at, may_follow=True))
        except EventRejected as error:
            judged.refuse(index, app_key, error)
    limits.check(Counter(app_key for app_key, _ in judged.taken))
    outcomes = ingest(judged.taken, received_at=received_at) if judged.taken else []
    counting.count(judged.taken, outcomes, judged.app_keys_of_rejects)
    return judged, outcomes


def read(request: Request) -> object:
    """The payload: a form's fields, or JSON under any other content type (SNS says text/plain). JSON in a form's only field is that JSON."""
    try:
        body: bytes = request.body
    except RequestDataTooBig as error:
        raise payload.PayloadTooLarge from error
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == FORM and not body.lstrip().startswith((b"{", b"[")):  # what curl says of all that it is told to send
        fields = QueryDict(body).dict()
    elif kind == "multipart/form-data":
        fields = request._request.POST.dict()
    else:
        return payload.parse(body, request.headers.get("Content-Encoding", ""))
    if len(fields) == 1 and str(only := next(iter(fields.values()))).lstrip().startswith("{"):
        try:
            return json.loads(str(only))
        except (ValueError, RecursionError):
            return fields
    return fields
