"""The two doors of the Alerts API tell the same story: what is sent to the reference view and to the express lane is
answered alike, and leaves the same rows behind (docs/how-it-works.md §3.2).

STORIES is the one list of what senders send; another payload that matters belongs there.
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
from django.core.cache import cache
from django.db import connection
from django.db.models import F, Model
from uvicorn.config import Config
from uvicorn.server import ServerState

from alerts.fast_path.fast_path import ASGI, BODY_LIMIT, FastPath
from alerts.health import ingest_stats
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
HEADERS = ("content-type", "www-authenticate", "retry-after", "idempotent-replayed", "ratelimit-limit")


# --- What is sent


@dataclass(frozen=True, slots=True)
class Sent:
    """One request. ORG_TOKEN, APP_KEY, OTHER_KEY, REVOKED_TOKEN and DEAD_KEY stand for the secrets of the cast."""

    body: Any
    headers: dict[str, str] = field(default_factory=lambda: dict(BEARER))
    path: str = "/data/v2/alerts"
    method: str = "POST"
    content_type: str = "application/json"
    is_packed: bool = False
    is_chunked: bool = False


@dataclass(frozen=True, slots=True)
class Story:
    """Requests in their order, and how many of them the lane must answer itself; it may leave the others to the reference."""

    by_lane: int
    sent: tuple[Sent, ...]


def plain(*bodies: Any) -> Story:
    """Requests with nothing special about them: each is the lane's own."""
    return Story(len(bodies), tuple(map(Sent, bodies)))


def left(*bodies: Any) -> Story:
    """Requests whose answer needs words: none is the lane's."""
    return replace(plain(*bodies), by_lane=0)


def with_body(by_lane: int, *variants: dict[str, Any]) -> Story:
    """The same alert, sent in several ways; each time with a host of its own."""
    return Story(
        by_lane, tuple(Sent(**({"body": one(host=f"web-{place}")} | each)) for place, each in enumerate(variants))
    )


def one(**fields: Any) -> dict[str, Any]:
    return {"app_key": "APP_KEY", "status": "critical", "host": "web-1", "check": "cpu"} | fields


def item(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in one(**fields).items() if name != "app_key"}


def batch(*items: Any, **frame: Any) -> dict[str, Any]:
    return {"app_key": "APP_KEY", "alerts": list(items)} | frame


def utc(seconds: float, form: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    return time.strftime(form, time.gmtime(seconds))


STORIES: dict[str, Story] = {
    # Singles, duplicates, order
    "one alert": plain(one()),
    "the same twice": plain(one(), one()),
    "the same with other spaces and order": plain(one(), {"check": " cpu", "host": "web-1 ", **one()}),
    "critical, ok, critical, critical": plain(one(), one(status="ok"), one(), one()),
    "the same status with another tag": plain(one(description="a", owner="x"), one(description="b")),
    "two hosts in two cases": plain(one(host="web"), one(host="WEB"), one(host="Web", check="")),
    "times in order": plain(*(one(timestamp=NOW - 60 + step, step=step) for step in range(3))),
    "a late event": plain(one(timestamp=NOW), one(status="ok", timestamp=NOW - 60, rack="r7"), one(timestamp=NOW - 90)),
    "a late duplicate": plain(
        one(timestamp=NOW - 60), one(status="ok", timestamp=NOW), one(timestamp=NOW - 60), one(timestamp=NOW - 60)
    ),
    "ok first": plain(one(status="ok"), one(status="ok"), one()),
    "reopened within the window": plain(
        one(timestamp=NOW - 9000), one(status="ok", timestamp=NOW - 8000), one(timestamp=NOW)
    ),
    "a second life after the window": plain(
        one(timestamp=NOW - 9 * DAY),
        one(status="ok", timestamp=NOW - 8 * DAY),
        one(timestamp=NOW),
        one(timestamp=NOW - 9 * DAY),
    ),
    # Identity
    "properties of other names": plain(
        one(primary_property="pod", secondary_property="probe", pod="p-7", probe="live")
    ),
    "the old misspelling": plain(one(seconday_property="probe", probe="live")),
    "an identifier of its own": plain(one(incident_identifier="INC-7"), one(host="web-2", incident_identifier="INC-7")),
    "each default property": plain(*(one(host="", **{name: "x"}) for name in ("service", "device"))),
    "a sensor instead of a check": plain(one(check=None, sensor="fan")),
    "two App Keys, one identity": plain(one(), one(app_key="OTHER_KEY")),
    # Batches
    "a batch": plain(batch(item(), item(host="web-2", status="warning"))),
    "a batch twice": plain(*[batch(item(), item(host="web-2"))] * 2),
    "a batch half known": plain(one(), batch(item(), item(host="web-2"))),
    "repeats and flips within a batch": plain(batch(item(), item(), item(status="ok"), item())),
    "a batch out of order": plain(batch(*(item(timestamp=NOW - age, age=age) for age in (10, 30, 20)))),
    "a bare array": plain([one(), one(host="web-2")]),
    "a batch whose items name their keys": plain(batch(one(), one(app_key="OTHER_KEY"), app_key=None)),
    "an item's key before its batch's": plain(batch(one(app_key="OTHER_KEY"))),
    "alerts beside a status": plain(one(alerts=["not", "a batch"])),
    "a batch of a thousand": plain(batch(*(item(host=f"web-{number}") for number in range(1000)))),
    "a batch too large for the lane": left(batch(*(item(host=f"web-{n}", text="x" * 400) for n in range(600)))),
    "a batch with rejects": left(batch(item(), item(status="on fire"), 7, None, {}, item(host="web-2"))),
    "a batch of rejects": left(batch({"status": "critical"}, item(status=""))),
    "a batch of a reject and a duplicate": Story(1, (Sent(one()), Sent(batch(item(), item(status="no"))))),
    # Fields
    "statuses in every form": plain(
        *(
            one(status=word)
            for word in ("Critical", "CRIT", " warning ", "warn", "ack", "Acknowledged", "unknown", "OK")
        )
    ),
    "no status": left(one(status=None), one(status=""), {"app_key": "APP_KEY", "host": "a"}),
    "no status that can be": left(one(status="on fire"), one(status=5), one(status=["ok"]), one(status={"a": 1})),
    "nothing that names the object": left({"app_key": "APP_KEY", "status": "ok", "cluster": "a"}, one(host=" ")),
    "a property that names an absent tag": left(one(primary_property="pod"), one(secondary_property="probe")),
    "times in every form": plain(
        *(
            one(host=f"web-{place}", timestamp=sent)
            for place, sent in enumerate(
                (
                    *(NOW, float(NOW), NOW + 0.25, NOW * 1000, str(NOW), f" {NOW} ", utc(NOW), "", None),
                    *(utc(NOW, "%Y-%m-%dT%H:%M:%S.123456789Z"), utc(NOW + 7200, "%Y-%m-%dT%H:%M:%S+02:00")),
                )
            )
        )
    ),
    "times that cannot be true": left(
        *(one(host=f"{sent}", timestamp=sent) for sent in (0.5, -62135596800, 4102444800, "yesterday", True, [1]))
    ),
    "a clock that is ahead": Story(1, (Sent(one(timestamp=NOW + 3600)), Sent(one(status="ok")))),
    "values that are no text": plain(
        one(whole=3.0, part=0.5, big=10**400, yes=True, nothing=None, empty="", n=[1, None])
    ),
    "links and letters": plain(
        one(runbook="https://wiki.example.com/x?a=1&b=2", text="żółć 💥 \u202e <b>", **{"tag name": "x"})
    ),
    "nested values": left(one(nested={"a": 1}), one(list=["a", {"b": 1}, ["c"]])),
    "long values": left(one(description="x" * 3000), one(long="y" * 600), one(many=["z"] * 40)),
    "what is no text": left(one(nul="a\0b"), one(half="\ud800"), one(**{"n\0me": "x"}), one(**{" ": "x"})),
    "numbers that are not finite": left(b'{"app_key": "APP_KEY", "status": "ok", "host": "a", "x": NaN, "y": -1e400}'),
    "too many tags": left(one(**{f"tag{number}": "x" for number in range(2100)})),
    "names said twice": plain(
        b'{"app_key": "APP_KEY", "status": "ok", "status": "critical", "host": "a", "host": "b"}'
    ),
    # Payloads
    "no JSON": left(b"{", b"", b"nonsense", b'{"host": "\xff"}', b"[" * 100_000),
    "JSON that is no alert": left(b"7", b"null", b'"text"', {"alerts": {}}, {"alerts": []}, [], {}),
    "JSON in other encodings": plain(
        *(json.dumps(one(host=name)).encode(name) for name in ("utf-8-sig", "utf-16", "utf-32", "utf-16-be"))
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
        0, (Sent(batch(*(item(host=f"web-{n}", text="x" * 400) for n in range(400))), is_chunked=True),)
    ),
    "a payload over the limit": left(b"[" * (LIMIT + 1)),
    "a chunked payload over the limit": Story(0, (Sent(b"[" * (LIMIT + 1), is_chunked=True),)),
    # Credentials
    "no token": with_body(
        0, {"headers": {}}, {"headers": {"Authorization": ""}}, {"headers": {"Authorization": "Bearer"}}
    ),
    "a wrong token": with_body(
        0, {"headers": {"Authorization": "Bearer nonsense"}}, {"headers": {}, "path": "/data/v2/alerts?access_token=x"}
    ),
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
    "no App Key": left(item(), batch(item(), app_key=None), batch(item(), app_key="")),
    "a wrong App Key": left(
        one(app_key="0" * 32), one(app_key=7), one(app_key=["APP_KEY"]), batch(item(), app_key={"a": 1})
    ),
    "a deactivated App Key": left(one(app_key="DEAD_KEY"), batch(item(), one(app_key="DEAD_KEY"))),
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
    "a refusal at the alias": with_body(0, {"path": "/oim/api/alerts", "body": one(status="no")}),
    "other paths": with_body(0, *({"path": path} for path in ("/data/v2/alerts/", "/data/v3/alerts", "/oim/x/alerts"))),
    "other verbs": with_body(0, *({"method": verb} for verb in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS"))),
    "an idempotency key": Story(
        0,
        tuple(
            Sent(body, headers=BEARER | {"Idempotency-Key": "k"}) for body in (one(), one(), one(host="web-2"), b"{")
        ),
    ),
    "a host that is not ours": with_body(1, {"headers": BEARER | {"Host": "elsewhere.example"}}),
}

# --- Who asks, and what they are told


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: dict[str, str | None]
    body: str

    @classmethod
    def of(cls, status: int, headers: dict[str, str], body: bytes) -> Reply:
        return cls(status, {name: headers.get(name) for name in HEADERS}, at_any_time(body.decode()))


@dataclass(frozen=True, slots=True)
class Told:
    """What the sender was told, and what is in the database then."""

    replies: list[Reply]
    rows: dict[str, list[dict[str, Any]]]


Secrets = dict[str, str]


def filled_in(text: str, secrets: Secrets) -> str:
    return re.sub("|".join(secrets), lambda found: secrets[found[0]], text)


def on_the_wire(sent: Sent, secrets: Secrets) -> tuple[str, dict[str, str], bytes]:
    """Path with query, headers, body."""
    text = sent.body.decode("latin-1") if isinstance(sent.body, bytes) else json.dumps(sent.body)
    body = filled_in(text, secrets).encode("latin-1")
    if isinstance(sent.body, bytes) and b"\0" in sent.body:  # in an encoding of more bytes a letter
        encoding = json.detect_encoding(sent.body)
        body = filled_in(sent.body.decode(encoding), secrets).encode(encoding)
    headers = {name: filled_in(value, secrets) for name, value in sent.headers.items()}
    return filled_in(sent.path, secrets), headers, gzip.compress(body) if sent.is_packed else body


async def ask_reference(door: ASGI, sent: Sent, secrets: Secrets) -> Reply:
    """As a server would: scope, receive, send."""
    path, headers, body = on_the_wire(sent, secrets)
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

    await door(scope, receive, send)
    told = {name.decode().lower(): value.decode("latin-1") for name, value in answered[0]["headers"]}
    return Reply.of(answered[0]["status"], told, b"".join(message.get("body", b"") for message in answered[1:]))


async def ask(lane: Lane, sent: Sent, secrets: Secrets) -> Reply:
    """Over a connection of its own."""
    path, headers, body = on_the_wire(sent, secrets)
    headers = {"Host": "testserver", "Content-Type": sent.content_type} | headers
    headers |= {"Transfer-Encoding": "chunked"} if sent.is_chunked else {"Content-Length": str(len(body))}
    lines = [
        f"{sent.method} {path} HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers.items() if value),
        "",
        "",
    ]
    reader, writer = await asyncio.open_connection("127.0.0.1", lane.port)
    writer.write("\r\n".join(lines).encode("latin-1"))
    pieces = [body[at : at + 50_000] for at in range(0, len(body), 50_000)]
    chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""]]
    writer.writelines(chunks if sent.is_chunked else pieces)
    head = await reader.readuntil(b"\r\n\r\n")
    response = HTTPResponse(SimpleNamespace(makefile=lambda _: BytesIO(head)))  # type: ignore[arg-type]
    response.begin()
    told = {name.lower(): value for name, value in response.getheaders()}
    body = await reader.readexactly(int(told.get("content-length", 0)))
    writer.transport.abort()  # a body that was refused need not be sent to its end
    with suppress(ConnectionError):
        await writer.wait_closed()
    return Reply.of(response.status, told, body)


async def follow(asked: Awaitable[Reply]) -> Reply:
    """Let the incidents follow before anything else is sent: the lane may tell them of several events at once."""
    reply = await asked
    await asyncio.to_thread(in_thread, incidents_follow)
    return reply


def in_thread(deed: Callable[[], None]) -> None:
    try:
        deed()
    finally:
        connection.close()


def incidents_follow() -> None:
    deadline = time.monotonic() + 30
    while Alert.objects.filter(revision__gt=F("correlated_revision")).exists():
        assert time.monotonic() < deadline, "the incidents do not follow"
        time.sleep(0.02)  # who asks without a breath keeps the interpreter from those who are asked for
        correlate_behind()


# --- What is in the database then


def rows() -> dict[str, list[dict[str, Any]]]:
    """Everything that was made, without the keys; a time of receipt says which event's it is."""
    told: dict[str, list[dict[str, Any]]] = {"alerts": [], "events": []}
    for alert in Alert.objects.order_by("app_key", "identifier", "life").select_related("incident"):
        events = list(alert.events.order_by("pk"))
        receipts = {event.received_at: f"receipt of {place}" for place, event in reversed(list(enumerate(events)))}
        incident = alert.incident and plain_row(alert.incident, "id", "first_alert", times=receipts)
        told["alerts"].append(plain_row(alert, "id", "incident", "decision", times=receipts) | {"incident": incident})
        told["events"] += [plain_row(event, "id", "alert", "received_at", times=receipts) for event in events]
    told["traffic"] = [plain_row(each, "id", "hour") for each in Traffic.objects.order_by("app_key")]
    told["repairs"] = [plain_row(each, "id", "last_at") for each in Repair.objects.order_by("field")]
    told["replies"] = [plain_row(each, "id", "created_at") for each in IdempotentReply.objects.order_by("key")]
    told["incidents"] = [{"count": Incident.objects.count()}]
    return told


def plain_row(row: Model, *without: str, times: dict[datetime, str] | None = None) -> dict[str, Any]:
    told = {}
    for column in row._meta.fields:
        value = getattr(row, column.attname)
        if column.name not in without:
            told[column.name] = (times or {}).get(value, value) if isinstance(value, datetime) else value
    if isinstance(row, Alert):
        told["notes"] = list(map(at_any_time, row.notes))
        told["status_changes"] = len(row.status_changes)
    if isinstance(row, Repair):
        told["rule"] = at_any_time(row.rule)
    return told


def at_any_time(text: str) -> str:
    """How far a clock is ahead depends on when one looks."""
    return re.sub(r"lies \S+ ahead", "lies … ahead", text)


def forget() -> None:
    """As if nothing had been sent."""
    ingest_stats.buffer.flush()
    for model in (Event, Alert, Incident, Traffic, Repair, IdempotentReply):
        model._default_manager.all().delete()


# --- The two doors


@pytest.fixture
def secrets(org_token: Any, app_key: Any) -> Secrets:
    revoked, revoked_token = OrgToken.issue(name="Revoked")
    dead, dead_key = AppKey.issue(name="Dead")
    for credential in (revoked, dead):
        credential.deactivate()
    own = {"ORG_TOKEN": org_token.secret, "APP_KEY": app_key.secret, "OTHER_KEY": AppKey.issue(name="Zabbix")[1]}
    return own | {"REVOKED_TOKEN": revoked_token, "DEAD_KEY": dead_key}


class Lane:
    """A web process with a lane, as senders reach it: by its port. It counts the requests that come to the lane, and to door 1."""

    def __init__(self, door_1: ASGI) -> None:
        self.door_1, self.port, self.came, self.asked = door_1, 0, 0, 0
        self.scope: Any = None  # of the last at door 1
        self.express = FastPath(self.door)
        self.express.handle = self._counted(self.express.handle)  # type: ignore[method-assign, assignment]

    def _counted(self, take: Callable[[Any], None]) -> Callable[[Any], None]:
        def counted(request: Any) -> None:
            self.came += 1
            take(request)

        return counted

    async def door(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        self.scope = scope
        await self.door_1(scope, receive, send)


@asynccontextmanager
async def lane_in_service(monkeypatch: pytest.MonkeyPatch, *, keep_alive: int = 5) -> AsyncIterator[Lane]:
    """The web process with a lane of this loop; its threads end with it, so that they hold no connection any more.

    A connection on which nothing comes is kept for `keep_alive` seconds.
    """
    lane = Lane(asgi._pages)
    monkeypatch.setattr(asgi, "_pages", lane.door)
    monkeypatch.setattr(asgi, "fast_path", lane.express)
    config = Config(asgi.application, access_log=False, log_level="warning", timeout_keep_alive=keep_alive)
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(lambda: Protocol(config, state, {}), "127.0.0.1", 0)
    lane.port = server.sockets[0].getsockname()[1]
    try:
        yield lane
    finally:
        # Whom the server let in just now gets a connection first: closed before that, it would leave the socket open.
        asyncio.get_running_loop().remove_reader(server.sockets[0].fileno())
        for _ in range(10):
            await asyncio.sleep(0)
        server.close()
        for protocol in list(state.connections):
            protocol.shutdown()
        await lane.express.close()
        while state.connections or state.tasks:  # who was under way is answered
            await asyncio.sleep(0)
        monkeypatch.setattr(asgi, "_pages", lane.door_1)


def play_at_reference(story: Story, secrets: Secrets) -> Told:
    async def play() -> list[Reply]:
        # WSGI knows no body without a length.
        return [
            await follow(ask_reference(asgi._pages, replace(sent, is_chunked=False), secrets)) for sent in story.sent
        ]

    return Told(asyncio.run(play()), rows())


def play_at_lane(story: Story, secrets: Secrets, monkeypatch: pytest.MonkeyPatch) -> tuple[Told, int]:
    """What came of it, and how many of the requests the lane answered itself."""

    async def play() -> tuple[list[Reply], int]:
        async with lane_in_service(monkeypatch) as lane:
            # The lane knows the credentials that the reference let through.
            for app_key in ("APP_KEY", "OTHER_KEY"):
                reply = await ask(lane, Sent(one(app_key=app_key)), secrets)
                assert reply.status == HTTPStatus.CREATED
            await asyncio.to_thread(in_thread, forget)
            before = lane.asked
            replies = [await follow(ask(lane, sent, secrets)) for sent in story.sent]
            return replies, len(story.sent) - (lane.asked - before)

    replies, by_lane = asyncio.run(play())
    return Told(replies, rows()), by_lane


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", STORIES)
def test_both_doors_tell_the_same_story(name: str, secrets: Secrets, monkeypatch: pytest.MonkeyPatch) -> None:
    story = STORIES[name]
    at_reference = play_at_reference(story, secrets)
    forget()
    at_lane, by_lane = play_at_lane(story, secrets, monkeypatch)
    assert at_lane.replies == at_reference.replies
    for table, told in at_reference.rows.items():
        assert at_lane.rows[table] == told, table
    assert by_lane == story.by_lane, "requests that the lane answered itself"


@pytest.mark.django_db(transaction=True)
def test_with_a_limit_set_every_request_is_counted_against_it(
    secrets: Secrets, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EVENTS_PER_MINUTE = 2
    story = plain(one(), one(status="ok"), one())
    cache.clear()
    at_reference = play_at_reference(story, secrets)
    forget()
    cache.clear()
    settings.EVENTS_PER_MINUTE = 3  # one more: the App Key's first request lets it in
    at_lane, by_lane = play_at_lane(story, secrets, monkeypatch)
    cache.clear()
    assert (
        [reply.status for reply in at_lane.replies]
        == [reply.status for reply in at_reference.replies]
        == [201, 201, 429]
    )
    assert by_lane == 0


@pytest.mark.django_db(transaction=True)
def test_requests_that_come_at_once_are_each_answered_and_nothing_of_the_lane_stays_behind(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> list[int]:
        async with lane_in_service(monkeypatch) as lane:
            first = await ask(lane, Sent(one()), secrets)
            together = [Sent(one(host=f"web-{number % 20}")) for number in range(60)]
            replies = await asyncio.gather(*(ask(lane, sent, secrets) for sent in together))
            assert lane.asked == 1
            return [first.status, *(reply.status for reply in replies)]

    statuses = Counter(asyncio.run(play()))
    assert statuses == {HTTPStatus.CREATED: 20, HTTPStatus.NO_CONTENT: 41}
    assert Event.objects.count() == 20
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("group-commit")]


def test_a_story_is_told_of_both_sides_of_the_lanes_limit() -> None:
    sizes = {
        name: max(len(json.dumps(sent.body, default=str)) for sent in story.sent) for name, story in STORIES.items()
    }
    assert sizes["a batch of a thousand"] < BODY_LIMIT < sizes["a batch too large for the lane"]
