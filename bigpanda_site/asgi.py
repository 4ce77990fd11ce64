"""The web process: live streams and the fast path run as coroutines, and all other requests run in Django's WSGI handler in a pool of threads.

Django's ASGI handler costs six to ten times as much as its WSGI handler, and a stream would occupy a thread there
(docs/how-it-works.md §3.2).
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import resource
import signal
import sys
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

import uvicorn
from a2wsgi import WSGIMiddleware

from bigpanda_site.wsgi import application as pages  # isort: skip - sets Django up, so it comes first

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, close_old_connections
from django.http.request import host_validation_re

from alerts.api.alerts import error_body, is_for_senders, sentence_about
from alerts.fast_path.fast_path import ACCEPTED, ASGI, BODY_LIMIT, FastPath, RequestHead
from bigpanda_site import failures, heartbeat, live_stream, probes, request_ids, self_incidents
from bigpanda_site.bodies import BodyTooSlow, Disconnected, RequestBody
from db import deadline, outage
from db.connections import limit_web
from db.outage import Outage
from people import secret_key
from telemetry import counts, publisher

logger = logging.getLogger(__name__)
THREADS = 8
# Requests in flight are thousands of objects, and hardly any of them is part of a cycle. Python's default of 700 collects far too often.
YOUNG_OBJECTS = 10_000
TURN_SECONDS = 0.001  # how long a thread may delay the event loop; Python's 5 ms are the time of fifty requests
LARGE_AT_WORK = 2  # threads that work on large bodies, so that others remain for pages and small requests
BUSY = "The console works on as many requests as it can."
WHAT_NOW = "Nothing was done for this one. Send it again in a few seconds."
BUSY_SECONDS = 3
FILES = 500  # that the process opens besides connections
has_protocol = False  # bigpanda_site.http_protocol sets it
_at_work: set[object] = set()  # one for each request that is being read or answered
_large = asyncio.Semaphore(LARGE_AT_WORK)
_pages = WSGIMiddleware(pages, workers=THREADS)  # type: ignore[arg-type]


async def _answer_busy(scope: Any, receive: Any, send: Any) -> None:
    await _answer(send, HTTPStatus.SERVICE_UNAVAILABLE, sentence_about(Outage.BUSY), (b"retry-after", b"5"))


fast_path = FastPath(_pages, _answer_busy)


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    if not has_protocol:
        _warn_about_protocol()
    send = request_ids.naming(send, request_ids.name_request(scope))
    if problem := _problem_of_head(scope["headers"]):
        await _answer(send, HTTPStatus.BAD_REQUEST, problem)
    elif scope["path"] in probes.PROBES:
        await probes.answer(scope, send)
    else:
        try:
            if scope["path"] == live_stream.PATH:
                await live_stream.stream(scope, receive, send)
            else:
                await _answer_if_free(scope, receive, send)
        except Error as error:  # before the reply: where a look-up on the event loop's behalf failed
            found = outage.note(error) or Outage.AWAY
            await _answer(send, HTTPStatus.SERVICE_UNAVAILABLE, sentence_about(found), (b"retry-after", b"5"))


def _warn_about_protocol() -> None:
    """Say once that the server reads HTTP by itself. Every request is answered all the same."""
    global has_protocol
    has_protocol = True
    logger.warning(
        "This server reads HTTP without the console's protocol: known requests take no short way, and slow or idle "
        "clients have only the limits of the server. Start it with: uvicorn bigpanda_site.asgi:application "
        "--http bigpanda_site.http_protocol:Protocol"
    )


async def _answer_if_free(scope: Any, receive: Any, send: Any) -> None:
    """Answer a request, or say that too many are at work: to senders in JSON, and to people with a page."""
    if len(_at_work) >= settings.REQUESTS_AT_ONCE:
        page = "" if is_for_senders(scope["path"]) else failures.render(BUSY, WHAT_NOW)
        retry_after = (b"retry-after", b"%d" % BUSY_SECONDS)
        await _answer(send, HTTPStatus.SERVICE_UNAVAILABLE, f"{BUSY} {WHAT_NOW}", retry_after, page=page)
        return
    _at_work.add(request := object())
    try:
        deadline.begin()
        await _answer_request(scope, receive, send)
    finally:
        _at_work.discard(request)


def _problem_of_head(headers: list[tuple[bytes, bytes]]) -> str:
    """Return what makes the head ambiguous, or an empty text. Two readers of one request must not see two senders."""
    if sum(name == b"authorization" for name, _ in headers) > 1:
        return "The request has more than one Authorization header. Send one."
    if {b"content-length", b"transfer-encoding"} <= {name for name, _ in headers}:
        return "The request has both Content-Length and Transfer-Encoding. Send one of them."
    host = next((value for name, value in headers if name == b"host"), b"localhost")
    if not host_validation_re.match(host.decode("latin-1").lower()):
        return "The Host header is not the name of a host."
    return ""


async def _answer_request(scope: Any, receive: Any, send: Any) -> None:
    body = RequestBody(scope, receive)
    try:
        await _answer_body(*await body.read(), send)
    except Disconnected:
        return
    except BodyTooSlow:
        await _answer(
            send, HTTPStatus.REQUEST_TIMEOUT, "The body of the request did not arrive in time. Send it again."
        )
    finally:
        body.release()


async def _answer_body(scope: Any, body: bytes, send: Any) -> None:
    deadline.begin()  # again: the body may have been slow
    standard_path: ASGI | None = scope["state"].pop("standard_path", None) if "state" in scope else None
    head = RequestHead(scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1"), scope["headers"])
    if standard_path is None and scope["method"] == "POST" and fast_path.accepts(head):
        request = AsgiRequest(head, body, scope["client"][0] if scope.get("client") else "")
        fast_path.handle(request)
        standard_path = await request.standard_path
        if standard_path is None:
            await request.send_answer(send)
            raw_head = scope["state"].get("raw_head")
            if raw_head and _may_be_learned(scope, raw_head):
                fast_path.learn_head(raw_head, head)
            return
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def replay() -> Any:
        return next(messages, {"type": "http.disconnect"})

    if len(body) <= BODY_LIMIT:
        await (standard_path or _pages)(scope, replay, send)
        return
    async with _large:
        deadline.begin()  # after others had their turn
        await (standard_path or _pages)(scope, replay, send)


class AsgiRequest:
    """A request for the fast path whose head was not known before."""

    def __init__(self, head: RequestHead, body: bytes, address: str) -> None:
        self.head, self.body, self.address = head, body, address
        self._created = False
        # The standard path, if the fast path leaves the request to it; None once the request is answered.
        self.standard_path: asyncio.Future[ASGI | None] = asyncio.get_running_loop().create_future()

    def answer(self, *, created: bool) -> None:
        self._created = created
        if not self.standard_path.done():
            self.standard_path.set_result(None)

    def pass_to(self, standard_path: ASGI) -> None:
        if not self.standard_path.done():
            self.standard_path.set_result(standard_path)

    async def send_answer(self, send: Any) -> None:
        """Send the answer of the fast path."""
        status = HTTPStatus.CREATED if self._created else HTTPStatus.NO_CONTENT
        body = ACCEPTED if self._created else b""
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))] if body else []
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _may_be_learned(scope: Any, raw_head: bytes) -> bool:
    """Return whether another request with the same head can skip its reading: a plain request on a connection that stays open.

    A request that brings an id of its own is answered with that id, so its head is read each time.
    """
    is_plain = scope["http_version"] == "1.1" and request_ids.NAME not in raw_head.lower()
    return is_plain and all(
        name not in (b"expect", b"upgrade", b"transfer-encoding") and (name, value.lower()) != (b"connection", b"close")
        for name, value in scope["headers"]
    )


async def _answer(send: Any, status: HTTPStatus, text: str, *more: tuple[bytes, bytes], page: str = "") -> None:
    """Answer with an error and close the connection, on which the rest of a request may still arrive."""
    body = page.encode() or json.dumps(error_body(status, [text])).encode()
    headers = [
        (b"content-type", b"text/html; charset=utf-8" if page else b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _allow_connections() -> None:
    """Raise the limit of open files, which is often 1,024, to what so many connections need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.CONNECTIONS + FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _end_streams_at_signal() -> None:
    """End the streams when a signal asks uvicorn to stop, because uvicorn waits for the end of each request."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        asked = signal.getsignal(number)
        if callable(asked) and isinstance(getattr(asked, "__self__", None), uvicorn.Server):
            signal.signal(number, partial(_stop, loop, asked))


def _stop(loop: asyncio.AbstractEventLoop, asked: Callable[[int, Any], Any], number: int, frame: Any) -> None:
    loop.call_soon_threadsafe(live_stream.watchers.end)
    asked(number, frame)


def _check_secret_key() -> None:
    try:
        secret_key.check()
    finally:
        close_old_connections()


async def _live(receive: Any, send: Any) -> None:
    """Run the background work of the process from the server's start to its end."""
    await receive()
    limit_web()
    try:
        await asyncio.to_thread(_check_secret_key)
    except ImproperlyConfigured as refusal:
        await send({"type": "lifespan.startup.failed", "message": str(refusal)})
        return
    streams = (live_stream.listen(), live_stream.watchers.run(), live_stream.watch_backlog())
    live = [asyncio.create_task(each) for each in (heartbeat.beat_on_loop(), *streams, self_incidents.watch())]
    _allow_connections()
    counts.gauge("streams", lambda: len(live_stream.watchers.pages))
    publisher.start("web")
    _end_streams_at_signal()
    gc.collect()
    gc.freeze()  # the loaded program is never garbage; examining it would delay a hundred requests
    gc.set_threshold(YOUNG_OBJECTS)
    sys.setswitchinterval(TURN_SECONDS)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    for task in live:
        task.cancel()
    await fast_path.close()
    await asyncio.to_thread(publisher.stop)
    await send({"type": "lifespan.shutdown.complete"})
