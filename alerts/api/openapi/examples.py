"""Requests to the Alerts API with their replies, for the OpenAPI document and the page /api. A test sends each of them.

APP_KEY and ORG_TOKEN stand for secrets, which a document has none of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from alerts.api import alerts as alerts_api
from alerts.api import idempotency
from alerts.payload import LIMIT, PayloadTooLarge
from appkeys.authentication import HasOrgToken
from db.outage import Outage

JSONDict = dict[str, Any]
PATH = "/data/v2/alerts"
MEGABYTES = LIMIT // 1024 // 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A request and its reply. The document shows both under the name of the example."""

    name: str
    summary: str
    status: HTTPStatus
    reply: JSONDict | None = field(default_factory=lambda: dict(alerts_api.SUCCESS))
    reply_headers: Mapping[str, str] = field(default_factory=dict)
    body: JSONDict | list[JSONDict] | None = None  # None for a body that is too large; `given` describes it
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: {"Authorization": "Bearer ORG_TOKEN"})
    method: str = "POST"
    path: str = PATH
    after: str = ""  # the name of the example that is sent before
    given: str = ""  # another condition of the reply

    @property
    def request(self) -> JSONDict:
        """The request as an OpenAPI Example Object. Parts that are not in the body have names with x-."""
        told = {
            "x-method": self.method,
            "x-path": self.path + self.query,
            "x-headers": dict(self.headers),
            "x-reply": int(self.status),
            "x-after": self.after,
            "x-given": self.given,
        }
        return {"summary": self.summary, **{name: each for name, each in told.items() if each}, "value": self.body}

    @property
    def answer(self) -> JSONDict:
        headers = {"x-headers": dict(self.reply_headers)} if self.reply_headers else {}
        return {"summary": self.summary, **headers, "value": self.reply}


def _error(status: HTTPStatus, *messages: str, **details: object) -> JSONDict:
    body: JSONDict = alerts_api.error_response(status, list(messages), **details).data
    return body


def _rejected(index: int, name: str, rule: str) -> JSONDict:
    return {"index": index, "field": name, "rule": rule}


_BEARER = {"Authorization": "Bearer ORG_TOKEN"}
_CRITICAL: JSONDict = {
    "app_key": "APP_KEY",
    "status": "critical",
    "host": "production-database-1",
    "check": "CPU overloaded",
    "description": "CPU is above 95 % for five minutes",
    "cluster": "production-databases",
    "runbook": "https://wiki.example.com/cpu",
}
_NO_STATUS = "is required: one of ok, warning, critical, acknowledged, unknown"
_ON_FIRE = "must be one of ok, warning, critical, acknowledged, unknown, not 'on fire'"
_UNKNOWN_KEY = "is not known here; check it, or create an App Key under Integrations"
_NESTED = "nested objects are not supported; the tag was dropped"

EXAMPLES = (
    Example(name="critical", summary="One alert", body=_CRITICAL, status=HTTPStatus.CREATED),
    Example(
        name="ok",
        summary="The same object is ok again: its alert resolves",
        body=_CRITICAL | {"status": "ok", "description": "CPU is back to 20 %"},
        status=HTTPStatus.CREATED,
        after="critical",
    ),
    Example(
        name="duplicate",
        summary="The same event a second time",
        body=_CRITICAL,
        status=HTTPStatus.NO_CONTENT,
        reply=None,
        after="critical",
    ),
    Example(
        name="batch",
        summary="Several alerts, the App Key named once",
        body={
            "app_key": "APP_KEY",
            "alerts": [
                {"status": "critical", "host": "production-database-1", "check": "CPU overloaded"},
                {"status": "warning", "host": "production-database-2", "check": "Disk space", "mounts": ["/", "/var"]},
            ],
        },
        status=HTTPStatus.CREATED,
    ),
    Example(
        name="batch-with-a-reject",
        summary="One alert of a batch cannot be taken; the others are",
        body={
            "app_key": "APP_KEY",
            "alerts": [{"status": "critical", "host": "web-1"}, {"status": "on fire", "host": "web-2"}],
        },
        status=HTTPStatus.CREATED,
        reply=alerts_api.SUCCESS | {"rejected": [_rejected(1, "status", _ON_FIRE)]},
    ),
    Example(
        name="repaired",
        summary="A field that cannot be kept as it is",
        body={"app_key": "APP_KEY", "status": "critical", "host": "web-1", "labels": {"team": "shop"}},
        status=HTTPStatus.CREATED,
        reply=alerts_api.SUCCESS | {"notes": [_rejected(0, "labels", _NESTED)]},
    ),
    Example(
        name="own-property-names",
        summary="Other tags name the object",
        body={
            "app_key": "APP_KEY",
            "status": "critical",
            "primary_property": "pod",
            "secondary_property": "probe",
            "pod": "checkout-7",
            "probe": "liveness",
        },
        status=HTTPStatus.CREATED,
    ),
    Example(
        name="own-identity",
        summary="The sender's own identifier, and its own time",
        body={
            "app_key": "APP_KEY",
            "status": "warning",
            "service": "checkout",
            "incident_identifier": "INC-4711",
            "timestamp": 1767225600,
        },
        status=HTTPStatus.CREATED,
    ),
    Example(
        name="secrets-in-the-url",
        summary="A sender that can set nothing but the URL and the body",
        body={"status": "critical", "host": "web-1"},
        query="?access_token=ORG_TOKEN&app_key=APP_KEY",
        headers={},
        status=HTTPStatus.CREATED,
    ),
    Example(
        name="app-key-in-a-header",
        summary="The App Key in a header",
        body={"status": "critical", "host": "web-1"},
        headers=_BEARER | {"X-BP-App-Key": "APP_KEY"},
        status=HTTPStatus.CREATED,
    ),
    Example(
        name="idempotency-key",
        summary="A request under an Idempotency-Key",
        body={"app_key": "APP_KEY", "status": "critical", "host": "web-1"},
        headers=_BEARER | {"Idempotency-Key": "2f1c7f0e"},
        status=HTTPStatus.CREATED,
    ),
    Example(
        name="idempotency-key-again",
        summary="The same request again: the first reply, and nothing more happens",
        body={"app_key": "APP_KEY", "status": "critical", "host": "web-1"},
        headers=_BEARER | {"Idempotency-Key": "2f1c7f0e"},
        status=HTTPStatus.CREATED,
        reply_headers={"Idempotent-Replayed": "true"},
        after="idempotency-key",
    ),
    Example(
        name="no-status",
        summary="A required field is missing",
        body={"app_key": "APP_KEY", "host": "web-1"},
        status=HTTPStatus.BAD_REQUEST,
        reply=_error(HTTPStatus.BAD_REQUEST, f"status: {_NO_STATUS}", rejected=[_rejected(0, "status", _NO_STATUS)]),
    ),
    Example(
        name="unknown-app-key",
        summary="An App Key that nobody knows",
        body={"app_key": "no-such-key", "status": "critical", "host": "web-1"},
        status=HTTPStatus.BAD_REQUEST,
        reply=_error(
            HTTPStatus.BAD_REQUEST, f"app_key: {_UNKNOWN_KEY}", rejected=[_rejected(0, "app_key", _UNKNOWN_KEY)]
        ),
    ),
    Example(
        name="no-token",
        summary="No org token",
        body={"app_key": "APP_KEY", "status": "critical", "host": "web-1"},
        headers={},
        status=HTTPStatus.UNAUTHORIZED,
        reply=_error(HTTPStatus.UNAUTHORIZED, HasOrgToken.message),
        reply_headers={"WWW-Authenticate": 'Bearer realm="alerts"'},
    ),
    Example(
        name="no-such-route",
        summary="Another path",
        body={"app_key": "APP_KEY", "status": "critical", "host": "web-1"},
        path="/data/v3/alerts",
        status=HTTPStatus.NOT_FOUND,
        reply=_error(HTTPStatus.NOT_FOUND, "Route /data/v3/alerts is not found"),
    ),
    Example(
        name="too-large",
        summary=f"A payload of more than {MEGABYTES} MB",
        given=f"The body has more than {LIMIT:,} bytes, as sent or as unpacked.",
        status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        reply=_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, PayloadTooLarge.default_detail),
    ),
    Example(
        name="idempotency-key-reused",
        summary="The Idempotency-Key of another request",
        body={"app_key": "APP_KEY", "status": "critical", "host": "web-2"},
        headers=_BEARER | {"Idempotency-Key": "2f1c7f0e"},
        status=HTTPStatus.UNPROCESSABLE_ENTITY,
        reply=_error(HTTPStatus.UNPROCESSABLE_ENTITY, idempotency.KeyReused.default_detail),
        after="idempotency-key",
    ),
    Example(
        name="too-many-events",
        summary="More events in a minute than the console's setting allows",
        body={"app_key": "APP_KEY", "status": "critical", "host": "web-1"},
        given="CONSOLE_EVENTS_PER_MINUTE is 600, and the integration Nagios sent 1,000 events in one batch.",
        status=HTTPStatus.TOO_MANY_REQUESTS,
        reply=_error(
            HTTPStatus.TOO_MANY_REQUESTS,
            "The integration 'Nagios' sent more than 600 events in a minute. Try again in 41 s.",
        ),
        reply_headers={
            "Retry-After": "41",
            "RateLimit-Limit": "600",
            "RateLimit-Remaining": "0",
            "RateLimit-Reset": "41",
        },
    ),
    Example(
        name="wrong-verb",
        summary="Another verb than POST",
        method="GET",
        status=HTTPStatus.NOT_IMPLEMENTED,
        reply=_error(HTTPStatus.NOT_IMPLEMENTED, "GET is not supported here. Send alerts with POST."),
    ),
    Example(
        name="database-away",
        summary="The alerts cannot be stored",
        body={"app_key": "APP_KEY", "status": "critical", "host": "web-1"},
        given="The console's database does not answer.",
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        reply=_error(HTTPStatus.SERVICE_UNAVAILABLE, alerts_api.sentence_about(Outage.AWAY)),
        reply_headers={"Retry-After": str(alerts_api.DatabaseOut.headers["Retry-After"])},
    ),
)
