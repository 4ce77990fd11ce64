"""Bodies of requests, read on the event loop before a thread of the pages is taken, within limits of size and time.

A request without valid credentials may have a body of 64 KiB, which is enough for a sign-in. A request with valid
credentials may have the 6 MB of the Alerts API (docs/wire-contract.md §2.4).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.db.models import Q

from alerts.payload import LIMIT
from appkeys.authentication import APP_KEY_HEADERS
from appkeys.models import AppKey, OrgToken
from bigpanda_site.live_stream import person_of
from people.models import ApiKey
from people.secrets import digest

WITHOUT_CREDENTIALS = 64 * 1024  # bytes
# Senders of PagerDuty's API have their secret in the body, which has up to 512 KB there.
WITH_SECRET_INSIDE = {"/v2/enqueue": 512 * 1024}
PIECE_SECONDS = 10.0  # the longest pause between two pieces of a body
BODY_SECONDS = 60.0  # the longest time for a whole body
# Larger bodies than those without credentials, in memory at once: 200 MB. Further ones wait in their connections.
LARGE_AT_ONCE = 32
_large = asyncio.Semaphore(LARGE_AT_ONCE)


class BodyTooSlow(Exception):
    """A body that does not arrive in time."""


class Disconnected(Exception):
    """A client that left before the end of its request."""


class RequestBody:
    """The body of one request. `release` gives back the place of a large body once the request is answered."""

    def __init__(self, scope: Any, receive: Any) -> None:
        self._scope, self._receive = scope, receive
        self._allowed = WITH_SECRET_INSIDE.get(scope["path"], WITHOUT_CREDENTIALS)
        self._is_large = False

    async def read(self) -> tuple[Any, bytes]:
        """Return the scope and the body. Raise BodyTooSlow or Disconnected.

        A body that is too large is not read to its end. The view then rejects the request by its length, or by its
        missing credentials. The scope that is returned always has a Content-Length.
        """
        scope, headers = self._scope, dict(self._scope["headers"])
        said = headers.get(b"content-length", b"")
        length = int(said) if said.isdigit() else None
        if length == 0 or (length is None and b"transfer-encoding" not in headers):
            return scope, b""
        if (length or 0) > self._allowed:
            await self._ask_for_more()
        if length is not None and length > self._allowed:
            # The view sees the length that was announced if that alone is wrong, otherwise a request without a body.
            return (scope if self._is_large else _with_length(scope, 0)), b""
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await self._read_pieces()
        except TimeoutError:
            raise BodyTooSlow from None
        if len(body) > self._allowed:
            return _with_length(scope, len(body) if self._is_large else 0), body
        return (scope if length is not None else _with_length(scope, len(body))), body

    async def _read_pieces(self) -> bytes:
        body = bytearray()
        more = True
        while more:
            async with asyncio.timeout(PIECE_SECONDS):
                message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._allowed and not self._is_large:
                await self._ask_for_more()
            if len(body) > self._allowed:
                break
        return bytes(body)

    async def _ask_for_more(self) -> None:
        """Allow a large body to a sender with valid credentials, once there is a place for it."""
        if await _has_credentials(self._scope):
            await _large.acquire()
            self._is_large, self._allowed = True, LIMIT

    def release(self) -> None:
        if self._is_large:
            _large.release()


def _with_length(scope: Any, length: int) -> Any:
    headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
    return scope | {"headers": [*headers, (b"content-length", b"%d" % length)]}


async def _has_credentials(scope: Any) -> bool:
    found: bool = await sync_to_async(_look_up_credentials)(scope)
    return found


def _look_up_credentials(scope: Any) -> bool:
    try:
        digests = [digest(secret) for secret in _sent_secrets(scope) if secret]
        return (
            OrgToken.objects.filter(digest__in=digests, deactivated_at=None).exists()
            or AppKey.objects.filter(Q(digest__in=digests) | Q(old_digest__in=digests), deactivated_at=None).exists()
            or ApiKey.objects.filter(digest__in=digests, revoked_at=None).exists()
            or person_of(scope) is not None
        )
    finally:
        close_old_connections()


def _sent_secrets(scope: Any) -> Iterator[str]:
    """Yield every text of the head that can be a secret of a sender."""
    for name, value in parse_qsl(scope["query_string"].decode("latin-1")[:10_000]):
        if name in ("access_token", "app_key"):
            yield value
    for header, content in scope["headers"]:
        name, text = header.decode("latin-1"), content.decode("latin-1").strip()
        if name in (*APP_KEY_HEADERS, "app_key"):
            yield text
        elif name == "authorization":
            scheme, _, secret = text.partition(" ")
            yield secret.strip()
            if scheme.lower() == "basic":
                try:
                    yield from base64.b64decode(secret).decode("latin-1").split(":", 1)
                except binascii.Error:
                    continue
