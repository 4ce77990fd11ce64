"""The standard path and the fast path answer requests alike and store the same rows (docs/how-it-works.md §3.2).

STORIES is the one list of requests. Add a payload that matters there.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPResponse
from io import BytesIO
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.db.models import F, Model
from uvicorn.config import Config
from uvicorn.server import ServerState

from alerts.fast_path.fast_path import ASGI, BODY_LIMIT, FastPath
from alerts.health import ingest_stats
from alerts.ingest import event_limit
from alerts.models import Alert, Event, IdempotentReply, Repair, Traffic
from alerts.payload import LIMIT
from appkeys.models import AppKey, OrgToken
from bigpanda_site import asgi
from bigpanda_site.http_protocol import Protocol
from incidents.correlation.worker import correlate_behind
from incidents.models import Incident

NOW = int(time.time())
DAY = 86_400
BEARER = {"Authorization": "Bearer ORG_TOKEN"}
LIMITED = {"Authorization": "Bearer LIMITED_TOKEN"}
HEADERS = ("content-type", "www-authenticate", "retry-after", "idempotent-replayed", "ratelimit-limit")


# --- requests


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request. ORG_TOKEN, APP_KEY, OTHER_KEY, … stand for values of the `secrets`."""

    body: Any
    headers: dict[str, str] = field(default_factory=lambda: dict(BEARER))
    path: str = "/data/v2/alerts"
    method: str = "POST"
    content_type: str = "application/json"
    is_packed: bool = False
    is_chunked: bool = False


@dataclass(frozen=True, slots=True)
class Story:
    """Requests in their order, and the number of those that the fast path must answer itself."""

    by_fast_path: int
    sent: tuple[SentRequest, ...]


def clear_cut(*bodies: Any) -> Story:
    """Return a story of requests that the fast path answers itself."""
    return Story(len(bodies), tuple(map(SentRequest, bodies)))


def not_clear_cut(*bodies: Any) -> Story:
    """Return a story of requests that all go to the standard path."""
    return replace(clear_cut(*bodies), by_fast_path=0)


def with_body(by_fast_path: int, *variants: dict[str, Any]) -> Story:
    """Return a story of the same alert, sent in several ways and with a different host each time."""
    return Story(
        by_fast_path,
        tuple(SentRequest(**({"body": alert(host=f"web-{place}")} | each)) for place, each in enumerate(variants)),
    )


def alert(**fields: Any) -> dict[str, Any]:
    return {"app_key": "APP_KEY", "status": "critical", "host": "web-1", "check": "cpu"} | fields


def item(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in alert(**fields).items() if name != "app_key"}


def batch(*items: Any, **frame: Any) -> dict[str, Any]:
    return {"app_key": "APP_KEY", "alerts": list(items)} | frame


def utc(seconds: float, form: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    return time.strftime(form, time.gmtime(seconds))


STORIES: dict[str, Story] = {
    # Singles, duplicates, order
    "one alert": clear_cut(alert()),
    "the same twice": clear_cut(alert(), alert()),
    "the same with other spaces and order": clear_cut(alert(), {"check": " cpu", "host": "web-1 ", **alert()}),
    "critical, ok, critical, critical": clear_cut(alert(), alert(status="ok"), alert(), alert()),
    "the same status with another tag": clear_cut(alert(description="a", owner="x"), alert(description="b")),
    "two hosts in two cases": clear_cut(alert(host="web"), alert(host="WEB"), alert(host="Web", check="")),
    "times in order": clear_cut(*(alert(timestamp=NOW - 60 + step, step=step) for step in range(3))),
    "a late event": clear_cut(
        alert(timestamp=NOW), alert(status="ok", timestamp=NOW - 60, rack="r7"), alert(timestamp=NOW - 90)
    ),
    "a late duplicate": clear_cut(
        alert(timestamp=NOW - 60),
        alert(status="ok", timestamp=NOW),
        alert(timestamp=NOW - 60),
        alert(timestamp=NOW - 60),
    ),
    "ok first": clear_cut(alert(status="ok"), alert(status="ok"), alert()),
    "reopened within the window": clear_cut(
        alert(timestamp=NOW - 9000), alert(status="ok", timestamp=NOW - 8000), alert(timestamp=NOW)
    ),
    "a second life after the window": clear_cut(
        alert(timestamp=NOW - 9 * DAY),
        alert(status="ok", timestamp=NOW - 8 * DAY),
        alert(timestamp=NOW),
        alert(timestamp=NOW - 9 * DAY),
    ),
    # Identity
    "properties of other names": clear_cut(
        alert(primary_property="pod", secondary_property="probe", pod="p-7", probe="live")
    ),
    "the old misspelling": clear_cut(alert(seconday_property="probe", probe="live")),
    "an identifier of its own": clear_cut(
        alert(incident_identifier="INC-7"), alert(host="web-2", incident_identifier="INC-7")
    ),
    "each default property": clear_cut(*(alert(host="", **{name: "x"}) for name in ("service", "device"))),
    "a sensor instead of a check": clear_cut(alert(check=None, sensor="fan")),
    "two App Keys, one identity": clear_cut(alert(), alert(app_key="OTHER_KEY")),
    # Batches
    "a batch": clear_cut(batch(item(), item(host="web-2", status="warning"))),
    "a batch twice": clear_cut(*[batch(item(), item(host="web-2"))] * 2),
    "a batch half known": clear_cut(alert(), batch(item(), item(host="web-2"))),
    "repeats and flips within a batch": clear_cut(batch(item(), item(), item(status="ok"), item())),
    "a batch out of order": clear_cut(batch(*(item(timestamp=NOW - age, age=age) for age in (10, 30, 20)))),
    "a bare array": clear_cut([alert(), alert(host="web-2")]),
    "a batch whose items name their keys": clear_cut(batch(alert(), alert(app_key="OTHER_KEY"), app_key=None)),
    "an item's key before its batch's": clear_cut(batch(alert(app_key="OTHER_KEY"))),
    "alerts beside a status": clear_cut(alert(alerts=["not", "a batch"])),
    "a batch of a thousand": clear_cut(batch(*(item(host=f"web-{number}") for number in range(1000)))),
    "a batch too large for the fast path": not_clear_cut(
        batch(*(item(host=f"web-{n}", text="x" * 400) for n in range(600)))
    ),
    "a batch with rejects": not_clear_cut(batch(item(), item(status="on fire"), 7, None, {}, item(host="web-2"))),
    "a batch of rejects": not_clear_cut(batch({"status": "critical"}, item(status=""))),
    "a batch of a reject and a duplicate": Story(
        1, (SentRequest(alert()), SentRequest(batch(item(), item(status="no"))))
    ),
    # Fields
    "statuses in every form": clear_cut(
        *(
            alert(status=word)
            for word in ("Critical", "CRIT", " warning ", "warn", "ack", "Acknowledged", "unknown", "OK")
        )
    ),
    "no status": not_clear_cut(alert(status=None), alert(status=""), {"app_key": "APP_KEY", "host": "a"}),
    "no status that can be": not_clear_cut(
        alert(status="on fire"), alert(status=5), alert(status=["ok"]), alert(status={"a": 1})
    ),
    "nothing that names the object": not_clear_cut(
        {"app_key": "APP_KEY", "status": "ok", "cluster": "a"}, alert(host=" ")
    ),
    "a property that names an absent tag": not_clear_cut(
        alert(primary_property="pod"), alert(secondary_property="probe")
    ),
    "times in every form": clear_cut(
        *(
            alert(host=f"web-{place}", timestamp=sent)
            for place, sent in enumerate(
                (
                    *(NOW, float(NOW), NOW + 0.25, NOW * 1000, str(NOW), f" {NOW} ", utc(NOW), "", None),
                    *(utc(NOW, "%Y-%m-%dT%H:%M:%S.123456789Z"), utc(NOW + 7200, "%Y-%m-%dT%H:%M:%S+02:00")),
                )
            )
        )
    ),
    "times that cannot be true": not_clear_cut(
        *(alert(host=f"{sent}", timestamp=sent) for sent in (0.5, -62135596800, 4102444800, "yesterday", True, [1]))
    ),
    "a clock that is ahead": Story(1, (SentRequest(alert(timestamp=NOW + 3600)), SentRequest(alert(status="ok")))),
    "values that are no text": clear_cut(
        alert(whole=3.0, part=0.5, big=10**400, yes=True, nothing=None, empty="", n=[1, None])
    ),
    "links and letters": clear_cut(
        alert(runbook="https://wiki.example.com/x?a=1&b=2", text="żółć 💥 \u202e <b>", **{"tag name": "x"})
    ),
    "nested values": not_clear_cut(alert(nested={"a": 1}), alert(list=["a", {"b": 1}, ["c"]])),
    "long values": not_clear_cut(alert(description="x" * 3000), alert(long="y" * 600), alert(many=["z"] * 40)),
    "what is no text": not_clear_cut(
        alert(nul="a\0b"), alert(half="\ud800"), alert(**{"n\0me": "x"}), alert(**{" ": "x"})
    ),
    "numbers that are not finite": not_clear_cut(
        b'{"app_key": "APP_KEY", "status": "ok", "host": "a", "x": NaN, "y": -1e400}'
    ),
    "too many tags": not_clear_cut(alert(**{f"tag{number}": "x" for number in range(2100)})),
    "names sent twice": clear_cut(
        b'{"app_key": "APP_KEY", "status": "ok", "status": "critical", "host": "a", "host": "b"}'
    ),
    # Payloads
    "no JSON": not_clear_cut(b"{", b"", b"nonsense", b'{"host": "\xff"}', b"[" * 100_000),
    "JSON that is no alert": not_clear_cut(b"7", b"null", b'"text"', {"alerts": {}}, {"alerts": []}, [], {}),
    "JSON in other encodings": clear_cut(
        *(json.dumps(alert(host=name)).encode(name) for name in ("utf-8-sig", "utf-16", "utf-32", "utf-16-be"))
    ),
    "other content types": with_body(
        5,
        *(
            {"content_type": name}
            for name in ("", "text/plain", "nonsense", "application/x-www-form-urlencoded", "a; charset=utf8")
        ),
    ),
    "other Accept headers": with_body(
        3, *({"headers": BEARER | {"Accept": name}} for name in ("text/html", "application/xml", "nonsense"))
    ),
    "gzip": with_body(
        0,
        {"is_packed": True, "headers": BEARER | {"Content-Encoding": "gzip"}},
        {"is_packed": False, "headers": BEARER | {"Content-Encoding": "gzip"}},
        {"is_packed": True, "headers": BEARER | {"Content-Encoding": "br"}},
        {"is_packed": False, "headers": BEARER | {"Content-Encoding": "identity"}},
        {"is_packed": True},
    ),
    "a chunked body": with_body(0, {"is_chunked": True}, {"is_chunked": True, "body": b"{"}),
    "a chunked body of many pieces": Story(
        0, (SentRequest(batch(*(item(host=f"web-{n}", text="x" * 400) for n in range(400))), is_chunked=True),)
    ),
    "a payload over the limit": not_clear_cut(b"[" * (LIMIT + 1)),
    "a chunked payload over the limit": Story(0, (SentRequest(b"[" * (LIMIT + 1), is_chunked=True),)),
    # Credentials
    "no token": with_body(
        0, {"headers": {}}, {"headers": {"Authorization": ""}}, {"headers": {"Authorization": "Bearer"}}
    ),
    "a wrong token": with_body(
        0, {"headers": {"Authorization": "Bearer nonsense"}}, {"headers": {}, "path": "/data/v2/alerts?access_token=x"}
    ),
    "a token for one App Key": with_body(
        2, *3 * [{"headers": LIMITED}], {"headers": LIMITED, "body": alert(app_key="OTHER_KEY")}
    ),
    "a token that does not send": with_body(0, *2 * [{"headers": {"Authorization": "Bearer READING_TOKEN"}}]),
    "a revoked token": with_body(0, {"headers": {"Authorization": "Bearer REVOKED_TOKEN"}}),
    "another scheme": with_body(0, {"headers": {"Authorization": "Basic ORG_TOKEN"}}),
    "a token written in other ways": with_body(
        3,
        {"headers": {"Authorization": "bearer ORG_TOKEN"}},
        {"headers": {"Authorization": "  BEARER   ORG_TOKEN "}},
        {"headers": {"Authorization": "Basic x"}, "path": "/data/v2/alerts?access_token=ORG_TOKEN"},
    ),
    "a token in the URL": with_body(
        3,
        {"headers": {}, "path": "/data/v2/alerts?access_token=ORG_TOKEN"},
        {"headers": {}, "path": "/data/v2/alerts?a=%ff&access_token=ORG_TOKEN&b"},
        {"headers": {}, "path": "/oim/api/alerts?access_token=%20ORG_TOKEN".replace("%20", "")},
    ),
    "a wrong header beside a right URL": with_body(
        0, {"headers": {"Authorization": "Bearer x"}, "path": "/data/v2/alerts?access_token=ORG_TOKEN"}
    ),
    "a token twice in the URL": with_body(
        1,
        {"headers": {}, "path": "/data/v2/alerts?access_token=ORG_TOKEN&access_token=nonsense"},
        {"headers": {}, "path": "/data/v2/alerts?access_token=nonsense&access_token=ORG_TOKEN"},
    ),
    "a charset that says nothing of the URL": with_body(
        3,
        *(
            {"headers": {}, "path": "/data/v2/alerts?access_token=ORG_TOKEN", "content_type": f"a/b; charset={name}"}
            for name in ("utf-16", "rot13", "nonsense")
        ),
    ),
    "too many parameters": with_body(
        0, {"headers": {}, "path": "/data/v2/alerts?" + "a=1&" * 25_001 + "access_token=ORG_TOKEN"}
    ),
    "a percent sign in the token": with_body(1, {"headers": {}, "path": "/data/v2/alerts?access%5Ftoken=ORG_TOKEN"}),
    "a semicolon in the URL": with_body(0, {"headers": {}, "path": "/data/v2/alerts?a=1;access_token=ORG_TOKEN"}),
    "a token with letters of its own": with_body(0, {"headers": {"Authorization": "Bearer \xe9\xff"}}),
    "no App Key": not_clear_cut(item(), batch(item(), app_key=None), batch(item(), app_key="")),
    "a wrong App Key": not_clear_cut(
        alert(app_key="0" * 32), alert(app_key=7), alert(app_key=["APP_KEY"]), batch(item(), app_key={"a": 1})
    ),
    "a deactivated App Key": not_clear_cut(alert(app_key="DEAD_KEY"), batch(item(), alert(app_key="DEAD_KEY"))),
    "an App Key in the URL": with_body(
        2,
        *(
            {"body": body, "path": "/data/v2/alerts?app_key=APP_KEY"}
            for body in (item(), batch(item(host="b"), app_key=None))
        ),
    ),
    "an App Key twice in the URL": with_body(
        1, {"body": item(), "path": "/data/v2/alerts?app_key=APP_KEY&app_key=OTHER_KEY"}
    ),
    "an empty App Key in the URL": with_body(0, {"body": item(), "path": "/data/v2/alerts?app_key="}),
    "an App Key of other letters": with_body(
        0,
        {"body": item(), "path": "/data/v2/alerts?app_key=%C5%BC"},
        {"body": item(), "path": "/data/v2/alerts?app_key=%ED%A0%80"},
    ),
    "an App Key in a header": with_body(
        0,
        *(
            {"body": item(host=name), "headers": BEARER | {name: "APP_KEY"}}
            for name in ("X-BP-App-Key", "X-App-Key", "app_key")
        ),
    ),
    # Paths, verbs, repeats
    "the alias": with_body(2, {"path": "/oim/api/alerts"}, {"path": "/oim/api/alerts"}),
    "a refusal at the alias": with_body(0, {"path": "/oim/api/alerts", "body": alert(status="no")}),
    "other paths": with_body(0, *({"path": path} for path in ("/data/v2/alerts/", "/data/v3/alerts", "/oim/x/alerts"))),
    "other verbs": with_body(0, *({"method": verb} for verb in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS"))),
    "an idempotency key": Story(
        0,
        tuple(
            SentRequest(body, headers=BEARER | {"Idempotency-Key": "k"})
            for body in (alert(), alert(), alert(host="web-2"), b"{")
        ),
    ),
    "a host that is not ours": with_body(1, {"headers": BEARER | {"Host": "elsewhere.example"}}),
}

# --- replies


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: dict[str, str | None]
    body: str

    @classmethod
    def of(cls, status: int, headers: dict[str, str], body: bytes) -> Reply:
        return cls(status, {name: headers.get(name) for name in HEADERS}, at_any_time(body.decode()))


@dataclass(frozen=True, slots=True)
class Result:
    """The replies to the requests of a story, and the rows of the database afterwards."""

    replies: list[Reply]
    rows: dict[str, list[dict[str, Any]]]


Secrets = dict[str, str]


def filled_in(text: str, secrets: Secrets) -> str:
    return re.sub("|".join(secrets), lambda found: secrets[found[0]], text)


def encoded(sent: SentRequest, secrets: Secrets) -> tuple[str, dict[str, str], bytes]:
    """Return path with query, headers and body of a request."""
    text = sent.body.decode("latin-1") if isinstance(sent.body, bytes) else json.dumps(sent.body)
    body = filled_in(text, secrets).encode("latin-1")
    if isinstance(sent.body, bytes) and b"\0" in sent.body:  # in an encoding with several bytes per letter
        encoding = json.detect_encoding(sent.body)
        body = filled_in(sent.body.decode(encoding), secrets).encode(encoding)
    headers = {name: filled_in(value, secrets) for name, value in sent.headers.items()}
    return filled_in(sent.path, secrets), headers, gzip.compress(body) if sent.is_packed else body


async def ask_standard_path(application: ASGI, sent: SentRequest, secrets: Secrets) -> Reply:
    """Call an ASGI application as a server does."""
    path, headers, body = encoded(sent, secrets)
    path, _, query = path.partition("?")
    headers = {"Host": "testserver", "Content-Type": sent.content_type} | headers
    headers |= {"Transfer-Encoding": "chunked"} if sent.is_chunked else {"Content-Length": str(len(body))}
    piece = 50_000 if sent.is_chunked else max(len(body), 1)
    parts = [body[at : at + piece] for at in range(0, len(body), piece)] or [b""]
    messages = iter(
        {"type": "http.request", "body": part, "more_body": place < len(parts)} for place, part in enumerate(parts, 1)
    )
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": sent.method,
        "scheme": "http",
        "path": path,
        "raw_path": quote(path).encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items() if value],
        "client": ("127.0.0.1", 50_000),
        "server": ("testserver", 80),
    }
    answered: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return next(messages, {"type": "http.disconnect"})

    async def send(message: dict[str, Any]) -> None:
        answered.append(message)

    await application(scope, receive, send)
    reply_headers = {name.decode().lower(): value.decode("latin-1") for name, value in answered[0]["headers"]}
    return Reply.of(
        answered[0]["status"], reply_headers, b"".join(message.get("body", b"") for message in answered[1:])
    )


async def ask(web: WebProcess, sent: SentRequest, secrets: Secrets) -> Reply:
    """Send a request over a new connection."""
    path, headers, body = encoded(sent, secrets)
    headers = {"Host": "testserver", "Content-Type": sent.content_type} | headers
    headers |= {"Transfer-Encoding": "chunked"} if sent.is_chunked else {"Content-Length": str(len(body))}
    lines = [
        f"{sent.method} {path} HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers.items() if value),
        "",
        "",
    ]
    reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
    writer.write("\r\n".join(lines).encode("latin-1"))
    pieces = [body[at : at + 50_000] for at in range(0, len(body), 50_000)]
    chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""]]
    writer.writelines(chunks if sent.is_chunked else pieces)
    head = await reader.readuntil(b"\r\n\r\n")
    response = HTTPResponse(SimpleNamespace(makefile=lambda _: BytesIO(head)))  # type: ignore[arg-type]
    response.begin()
    reply_headers = {name.lower(): value for name, value in response.getheaders()}
    body = await reader.readexactly(int(reply_headers.get("content-length", 0)))
    writer.transport.abort()  # the body of a refused request need not be sent completely
    with suppress(ConnectionError):
        await writer.wait_closed()
    return Reply.of(response.status, reply_headers, body)


async def with_correlation(passed_on: Awaitable[Reply]) -> Reply:
    """Correlate before the next request: the fast path may request correlation once for several events."""
    reply = await passed_on
    await asyncio.to_thread(in_thread, correlate_all)
    return reply


def in_thread(work: Callable[[], None]) -> None:
    try:
        work()
    finally:
        connection.close()


def correlate_all() -> None:
    deadline = time.monotonic() + 30
    while Alert.objects.filter(revision__gt=F("correlated_revision")).exists():
        assert time.monotonic() < deadline, "correlation does not end"
        time.sleep(0.02)  # without a pause this loop would keep other threads from running
        correlate_behind()


# --- rows


def rows() -> dict[str, list[dict[str, Any]]]:
    """Return all rows without their keys. A time of receipt is replaced by the number of its event."""
    found: dict[str, list[dict[str, Any]]] = {"alerts": [], "events": []}
    for alert in Alert.objects.order_by("app_key", "identifier", "life").select_related("incident"):
        events = list(alert.events.order_by("pk"))
        receipts = {event.received_at: f"receipt of {place}" for place, event in reversed(list(enumerate(events)))}
        incident = alert.incident and plain_row(alert.incident, "id", "first_alert", times=receipts)
        found["alerts"].append(plain_row(alert, "id", "incident", "decision", times=receipts) | {"incident": incident})
        found["events"] += [plain_row(event, "id", "alert", "received_at", times=receipts) for event in events]
    found["traffic"] = [plain_row(each, "id", "hour") for each in Traffic.objects.order_by("app_key")]
    found["repairs"] = [plain_row(each, "id", "last_at") for each in Repair.objects.order_by("field")]
    found["replies"] = [plain_row(each, "id", "created_at") for each in IdempotentReply.objects.order_by("key")]
    found["incidents"] = [{"count": Incident.objects.count()}]
    return found


def plain_row(row: Model, *without: str, times: dict[datetime, str] | None = None) -> dict[str, Any]:
    values = {}
    for column in row._meta.fields:
        value = getattr(row, column.attname)
        if column.name not in without:
            values[column.name] = (times or {}).get(value, value) if isinstance(value, datetime) else value
    if isinstance(row, Alert):
        values["notes"] = list(map(at_any_time, row.notes))
        values["status_changes"] = len(row.status_changes)
    if isinstance(row, Repair):
        values["rule"] = at_any_time(row.rule)
    return values


def at_any_time(text: str) -> str:
    """Replace the part of a note that depends on the time of the test."""
    return re.sub(r"lies \S+ ahead", "lies … ahead", text)


def reset() -> None:
    """Delete what the requests so far have stored."""
    ingest_stats.buffer.flush()
    for model in (Event, Alert, Incident, Traffic, Repair, IdempotentReply):
        model._default_manager.all().delete()


# --- the two paths


@pytest.fixture
def secrets(org_token: Any, app_key: Any) -> Secrets:
    revoked, revoked_token = OrgToken.issue(name="Revoked")
    dead, dead_key = AppKey.issue(name="Dead")
    for credential in (revoked, dead):
        credential.deactivate()
    own = {"ORG_TOKEN": org_token.secret, "APP_KEY": app_key.secret, "OTHER_KEY": AppKey.issue(name="Zabbix")[1]}
    own["LIMITED_TOKEN"] = OrgToken.issue(name="For Nagios", app_keys=[app_key])[1]
    own["READING_TOKEN"] = OrgToken.issue(name="Reads", scopes=["read"])[1]
    return own | {"REVOKED_TOKEN": revoked_token, "DEAD_KEY": dead_key}


class WebProcess:
    """A web process that senders reach by its port.

    `received` counts the requests of the fast path, `passed_on` those of the standard path.
    """

    def __init__(self, standard_path: ASGI) -> None:
        self.standard_path, self.port, self.received, self.passed_on = standard_path, 0, 0, 0
        self.scope: Any = None  # of the last request that was passed on
        self.fast_path = FastPath(self.pass_on, asgi._answer_busy)
        self.fast_path.handle = self._counted(self.fast_path.handle)  # type: ignore[method-assign, assignment]

    def _counted(self, take: Callable[[Any], None]) -> Callable[[Any], None]:
        def counted(request: Any) -> None:
            self.received += 1
            take(request)

        return counted

    async def pass_on(self, scope: Any, receive: Any, send: Any) -> None:
        self.passed_on += 1
        self.scope = scope
        await self.standard_path(scope, receive, send)


@asynccontextmanager
async def web_process(monkeypatch: pytest.MonkeyPatch, *, keep_alive: int = 5) -> AsyncIterator[WebProcess]:
    """Serve the console from this event loop. The threads of the fast path end with the context.

    A silent connection is kept for `keep_alive` seconds.
    """
    web = WebProcess(asgi._pages)
    monkeypatch.setattr(asgi, "_pages", web.pass_on)
    monkeypatch.setattr(asgi, "fast_path", web.fast_path)
    config = Config(asgi.application, access_log=False, log_level="warning", timeout_keep_alive=keep_alive)
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(lambda: Protocol(config, state, {}), "127.0.0.1", 0)
    web.port = server.sockets[0].getsockname()[1]
    try:
        yield web
    finally:
        # A socket that was accepted just now first gets its connection. Closed before that, the server would leak the
        # socket.
        asyncio.get_running_loop().remove_reader(server.sockets[0].fileno())
        for _ in range(10):
            await asyncio.sleep(0)
        server.close()
        for protocol in list(state.connections):
            protocol.shutdown()
        await web.fast_path.close()
        while state.connections or state.tasks:  # until all requests are answered
            await asyncio.sleep(0)
        monkeypatch.setattr(asgi, "_pages", web.standard_path)


def play_on_standard_path(story: Story, secrets: Secrets) -> Result:
    async def play() -> list[Reply]:
        # WSGI has no body without a length.
        return [
            await with_correlation(ask_standard_path(asgi._pages, replace(sent, is_chunked=False), secrets))
            for sent in story.sent
        ]

    return Result(asyncio.run(play()), rows())


def play_on_fast_path(story: Story, secrets: Secrets, monkeypatch: pytest.MonkeyPatch) -> tuple[Result, int]:
    """Play a story on the fast path. Return the result, and the number of requests that it answered itself."""

    async def play() -> tuple[list[Reply], int]:
        async with web_process(monkeypatch) as web:
            # The fast path knows the credentials that the standard path has accepted.
            for app_key in ("APP_KEY", "OTHER_KEY"):
                reply = await ask(web, SentRequest(alert(app_key=app_key)), secrets)
                assert reply.status == HTTPStatus.CREATED
            await asyncio.to_thread(in_thread, reset)
            before = web.passed_on
            replies = [await with_correlation(ask(web, sent, secrets)) for sent in story.sent]
            return replies, len(story.sent) - (web.passed_on - before)

    replies, by_fast_path = asyncio.run(play())
    return Result(replies, rows()), by_fast_path


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", STORIES)
def test_both_paths_answer_and_store_the_same(name: str, secrets: Secrets, monkeypatch: pytest.MonkeyPatch) -> None:
    story = STORIES[name]
    on_standard_path = play_on_standard_path(story, secrets)
    reset()
    on_fast_path, by_fast_path = play_on_fast_path(story, secrets, monkeypatch)
    assert on_fast_path.replies == on_standard_path.replies
    for table, expected in on_standard_path.rows.items():
        assert on_fast_path.rows[table] == expected, table
    assert by_fast_path == story.by_fast_path, "requests that the fast path answered itself"


@pytest.mark.django_db(transaction=True)
def test_with_a_limit_set_every_request_is_counted_against_it(
    secrets: Secrets, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EVENTS_PER_MINUTE = 2
    story = clear_cut(alert(), alert(status="ok"), alert())
    on_standard_path = play_on_standard_path(story, secrets)
    reset()
    event_limit.forget()
    settings.EVENTS_PER_MINUTE = 3  # one more, because the first request makes the credentials known
    on_fast_path, by_fast_path = play_on_fast_path(story, secrets, monkeypatch)
    assert (
        [reply.status for reply in on_fast_path.replies]
        == [reply.status for reply in on_standard_path.replies]
        == [201, 201, 429]
    )
    assert by_fast_path == 2, "the fast path counts, and leaves the words of the refusal to the standard path"


@pytest.mark.django_db(transaction=True)
def test_simultaneous_requests_are_all_answered_and_no_thread_stays(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> list[int]:
        async with web_process(monkeypatch) as web:
            first = await ask(web, SentRequest(alert()), secrets)
            together = [SentRequest(alert(host=f"web-{number % 20}")) for number in range(60)]
            replies = await asyncio.gather(*(ask(web, sent, secrets) for sent in together))
            assert web.passed_on == 1
            return [first.status, *(reply.status for reply in replies)]

    statuses = Counter(asyncio.run(play()))
    assert statuses == {HTTPStatus.CREATED: 20, HTTPStatus.NO_CONTENT: 41}
    assert Event.objects.count() == 20
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("group-commit")]


def test_stories_have_bodies_on_both_sides_of_the_limit_of_the_fast_path() -> None:
    sizes = {
        name: max(len(json.dumps(sent.body, default=str)) for sent in story.sent) for name, story in STORIES.items()
    }
    assert sizes["a batch of a thousand"] < BODY_LIMIT < sizes["a batch too large for the fast path"]
