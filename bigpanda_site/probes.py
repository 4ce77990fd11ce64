"""`/healthz`, `/readyz` and `/metrics` (docs/monitoring.md).

Programs ask for these addresses without a session, by any host name or address. The replies set no cookie, have no
link and do not depend on the host.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, NamedTuple

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, close_old_connections
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from bigpanda_site import metrics, readiness
from db import deadline

TOO_LONG = 5.0  # seconds; a probe gets an answer then, whatever the database does
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="probes")  # pages may have taken every other thread


class Asked(NamedTuple):
    """The sender of a probe's request, as the request tells."""

    authorization: str
    address: str | None
    is_forwarded: bool


class Reply(NamedTuple):
    """A reply to a probe."""

    status: HTTPStatus
    body: str
    content_type: str = "application/json"


def healthz(asked: Asked) -> Reply:
    """Return that this process answers. Nothing else is asked."""
    return Reply(HTTPStatus.OK, json.dumps({"status": "ok"}))


def readyz(asked: Asked) -> Reply:
    return ready(readiness.problems())


def ready(problems: list[readiness.Problem]) -> Reply:
    if not problems:
        return Reply(HTTPStatus.OK, json.dumps({"status": "ready"}))
    body = {"status": "not ready", "problems": {problem.part: problem.text for problem in problems}}
    return Reply(HTTPStatus.SERVICE_UNAVAILABLE, json.dumps(body))


def read_metrics(asked: Asked) -> Reply:
    if not metrics.may_read(**asked._asdict()):
        text = "Send CONSOLE_METRICS_TOKEN as a bearer token, or ask from an address in CONSOLE_METRICS_ADDRESSES.\n"
        return Reply(HTTPStatus.FORBIDDEN, text, "text/plain; charset=utf-8")
    try:
        return Reply(HTTPStatus.OK, metrics.render(), metrics.CONTENT_TYPE)
    except DatabaseError as error:
        text = f"The database cannot be read and written: {type(error).__name__}. /readyz says more.\n"
        return Reply(HTTPStatus.SERVICE_UNAVAILABLE, text, "text/plain; charset=utf-8")


PROBES: dict[str, Callable[[Asked], Reply]] = {"/healthz": healthz, "/readyz": readyz, "/metrics": read_metrics}


async def answer(scope: Any, send: Any) -> None:
    """Answer a probe from the event loop, so that it needs none of the threads that answer pages."""
    headers = dict(scope["headers"])
    client = scope.get("client")
    asked = Asked(
        headers.get(b"authorization", b"").decode("latin-1"),
        client[0] if client else None,
        b"x-forwarded-for" in headers,
    )
    reply = Reply(HTTPStatus.METHOD_NOT_ALLOWED, "")
    if scope["method"] in ("GET", "HEAD"):
        probe = PROBES[scope["path"]]
        reply = probe(asked) if probe is healthz else await _in_time(probe, asked)
    body = reply.body.encode()
    sent = {**HEADERS, "Content-Type": reply.content_type, "Content-Length": str(len(body))}
    lines = [(name.lower().encode(), value.encode()) for name, value in sent.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": lines})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def _in_time(probe: Callable[[Asked], Reply], asked: Asked) -> Reply:
    def run() -> Reply:
        try:
            with deadline.within(TOO_LONG):
                return probe(asked)
        finally:
            close_old_connections()

    try:
        async with asyncio.timeout(TOO_LONG):
            return await asyncio.get_running_loop().run_in_executor(_threads, run)
    except TimeoutError:
        return ready([readiness.Problem("database", f"It does not answer within {TOO_LONG:g} s.")])


def view(probe: Callable[[Asked], Reply]) -> Callable[[HttpRequest], HttpResponse]:
    """Return a view that answers a probe where Django runs without the web process of `./console up`."""

    @login_not_required
    @require_safe
    def respond(request: HttpRequest) -> HttpResponse:
        forwarded = "X-Forwarded-For" in request.headers
        reply = probe(Asked(request.headers.get("Authorization", ""), request.META.get("REMOTE_ADDR"), forwarded))
        return HttpResponse(reply.body, status=reply.status, content_type=reply.content_type, headers=HEADERS)

    return respond
