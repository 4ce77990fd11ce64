"""Ids of requests: in the reply's `X-Request-ID`, in the log lines of the request, and in those of the tasks that it caused.

An id of the sender or of a proxy is kept if it is short and plain. Otherwise the process makes one, which is cheap: a
prefix of the process and a number.
"""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from django.http import HttpRequest, HttpResponseBase

HEADER = "X-Request-ID"
NAME = HEADER.lower().encode()
_PLAIN = re.compile(rb"[A-Za-z0-9._-]{1,64}")  # nothing that could change a log or a header
_prefix = secrets.token_hex(4).encode()
_numbers = itertools.count(1)
current: ContextVar[str] = ContextVar("request_id", default="")


def new() -> bytes:
    return b"%s-%x" % (_prefix, next(_numbers))


def kept(sent: bytes | None) -> bytes:
    """Return the id that a request brings, or an empty one if it brings none that can be kept."""
    return sent if sent and _PLAIN.fullmatch(sent) else b""


def name_request(scope: Any) -> bytes:
    """Return the id of a request, which its scope has as the only `X-Request-ID` from now on."""
    sent = [value for name, value in scope["headers"] if name == NAME]
    identifier = kept(sent[0]) if len(sent) == 1 else b""
    if not identifier:
        identifier = new()
        others = [each for each in scope["headers"] if each[0] != NAME]
        scope["headers"] = [*others, (NAME, identifier)]
    return identifier


def naming(send: Any, identifier: bytes) -> Any:
    """Return a `send` of ASGI that names the request in the reply."""

    async def named(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = [each for each in message.get("headers", []) if each[0].lower() != NAME]
            message = {**message, "headers": [*headers, (NAME, identifier)]}
        await send(message)

    return named


def middleware(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware that names the request in the reply and in log lines."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        sent = request.headers.get(HEADER, "").encode()
        identifier = (kept(sent) or new()).decode()
        token = current.set(identifier)
        try:
            response = get_response(request)
        finally:
            current.reset(token)
        response.headers[HEADER] = identifier
        return response

    return respond
