"""The express lane: a small ASGI callable in front of the Alerts API, for what is plainly right (engine.md, Ingest, door 2).

Whatever it is not sure of goes to door 1 (alerts.api), untouched: unknown credentials, unusual headers, repairs,
rejects, errors. So all wording lives there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone
from rest_framework.exceptions import APIException

from alerts import counting, kept_requests
from alerts.group_commit import GroupCommit
from alerts.ingest import Outcome
from alerts.judging import judge
from alerts.payload import LIMIT, parse
from appkeys import usage
from appkeys.authentication import APP_KEY_HEADERS
from appkeys.models import AppKey, OrgToken
from people.secrets import digest

logger = logging.getLogger(__name__)
ASGI = Callable[[Any, Any, Any], Awaitable[None]]
PATHS = frozenset({"/data/v2/alerts", "/oim/api/alerts"})
BODY_LIMIT = 256 * 1024  # bytes; larger batches go to door 1, whose threads keep them from holding up the others
FRESH_SECONDS = 0.25  # how long a token or key may still be taken after it was deactivated
_JSON = (b"content-type", b"application/json")
_BODY = b'{"response":{"status":"success"}}'
_CREATED = {
    "type": "http.response.start",
    "status": 201,
    "headers": [_JSON, (b"content-length", str(len(_BODY)).encode())],
}
_CREATED_BODY = {"type": "http.response.body", "body": _BODY}
_DUPLICATE = {"type": "http.response.start", "status": 204, "headers": []}
_NO_BODY = {"type": "http.response.body", "body": b""}
_APP_KEY_HEADERS = frozenset(name.encode() for name in (*APP_KEY_HEADERS, "app_key"))
_UNUSUAL_HEADERS = frozenset({b"content-encoding", b"transfer-encoding", b"idempotency-key", *_APP_KEY_HEADERS})


class KnownCredentials:
    """Active tokens and App Keys that door 1 has let through, by digest, never older than FRESH_SECONDS when they are used."""

    def __init__(self) -> None:
        self.tokens: frozenset[str] = frozenset()  # those that may send, for every App Key
        self.app_keys: dict[str, AppKey] = {}
        self._seen: set[str] = set()
        self._read_at = 0.0
        self._reading: asyncio.Future[None] | None = None

    async def freshen(self) -> None:
        """Read again in good time; only who comes when it is too late waits for that."""
        age = time.monotonic() - self._read_at
        if age < FRESH_SECONDS / 2:
            return
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(asyncio.to_thread(self._read))
            self._reading.add_done_callback(
                lambda done: done.cancelled() or done.exception()
            )  # the next to wait is told
        if age > FRESH_SECONDS:
            await asyncio.shield(self._reading)

    def learn(self, digests: set[str]) -> None:
        if not digests <= self._seen:
            self._seen |= digests
            self._read_at = 0.0

    def _read(self) -> None:
        began, wanted = time.monotonic(), list(self._seen)
        try:
            tokens = OrgToken.objects.filter(digest__in=wanted, deactivated_at=None, is_limited=False)
            self.tokens = frozenset(each.digest for each in tokens if each.may_send and not each.is_expired)
            # What somebody watches, what has a mapping of its own, and a first event, are door 1's.
            app_keys = AppKey.objects.answering_to(*wanted).filter(deactivated_at=None).exclude(first_event_at=None)
            taken_here = app_keys.exclude(health__watched_until__gt=timezone.now()).exclude(mappings__is_current=True)
            self.app_keys = {digest: app_key for app_key in taken_here for digest in app_key.digests}
            usage.flush()
            if len(wanted) == len(self._seen):  # else one was learned meanwhile
                self._read_at = began
        finally:
            close_old_connections()


class ExpressLane:
    """One per web process. `door_1` is an ASGI callable that answers everything."""

    def __init__(self, door_1: ASGI) -> None:
        self._door_1 = door_1
        self._credentials = KnownCredentials()
        self._group: GroupCommit | None = None

    async def close(self) -> None:
        """Store what is left, and end the threads."""
        if self._group:
            await self._group.close()
            await asyncio.to_thread(counting.stop)

    def takes(self, scope: Any) -> bool:
        return scope["path"] in PATHS and scope["method"] == "POST" and not settings.EVENTS_PER_MINUTE

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        if not length.isdigit() or int(length) > BODY_LIMIT or not _UNUSUAL_HEADERS.isdisjoint(headers):
            await self._door_1(*await _with_length(scope, receive), send)
            return
        body = await _read(receive, BODY_LIMIT)
        digests: set[str] = set()
        try:
            await self._credentials.freshen()
            created = await self._take(scope["path"], body, *_credentials(scope, headers), digests)
        except Exception as error:  # noqa: BLE001
            # Not plainly right: door 1 finds the words, also for what is wrong with the database.
            if not isinstance(error, _NotPlain | APIException):
                logger.warning("express lane: %s, door 1 tries", type(error).__name__)
            status = await self._ask_door_1(scope, body, send)
            if status in (HTTPStatus.CREATED, HTTPStatus.NO_CONTENT):
                self._credentials.learn(digests)
        else:
            await send(_CREATED if created else _DUPLICATE)
            await send(_CREATED_BODY if created else _NO_BODY)

    async def _take(self, path: str, body: bytes, token: str, key_for_all: str | None, digests: set[str]) -> bool:
        """Store a request's events; whether one was accepted. `digests` receives those of the credentials it was sent with."""
        digests.add(token)
        known = self._credentials

        def find_app_key(secret: str) -> AppKey | None:
            digests.add(wanted := digest(secret))
            return known.app_keys.get(wanted)

        judged = judge(parse(body), key_for_all, find_app_key, received_at=timezone.now())
        if token not in known.tokens or judged.rejected or judged.notes:
            raise _NotPlain
        if self._group is None:
            counting.start(kept_requests.flush)
            self._group = GroupCommit()
        outcomes = await self._group.store(judged.taken)
        usage.note(*digests)
        if Outcome.ACCEPTED not in outcomes:
            return False
        kept_requests.keep(judged, path=path, body=body)
        return True

    async def _ask_door_1(self, scope: Any, body: bytes, send: Any) -> int:
        status = 0

        async def watched(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await self._door_1(scope, _replay(body), watched)
        return status


class _NotPlain(Exception):
    """A request for door 1."""


def _credentials(scope: Any, headers: dict[bytes, bytes]) -> tuple[str, str | None]:
    """The digest of the sent token, and the App Key that the URL names for all alerts; of several, the last, as Django takes it."""
    sent = scope["query_string"].decode("latin-1")
    query = parse_qs(sent, max_num_fields=settings.DATA_UPLOAD_MAX_NUMBER_FIELDS) if sent else {}
    scheme, _, secret = headers.get(b"authorization", b"").decode("latin-1").strip().partition(" ")
    if scheme.lower() != "bearer":
        secret = query.get("access_token", [""])[-1]
    return digest(secret.strip()), query.get("app_key", [None])[-1]


async def _read(receive: Any, limit: int) -> bytes:
    """The body; of one that is longer than the limit, the beginning that shows it is."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body") and len(body) <= limit:
        message = await receive()
        body += message.get("body", b"")
    return body


async def _with_length(scope: Any, receive: Any) -> tuple[Any, Any]:
    """WSGI knows no body without a length (a chunked one): read it here, and say how long it is."""
    if any(name == b"content-length" for name, _ in scope["headers"]):
        return scope, receive
    body = await _read(receive, LIMIT)
    return scope | {"headers": [*scope["headers"], (b"content-length", str(len(body)).encode())]}, _replay(body)


def _replay(body: bytes) -> Callable[[], Awaitable[dict[str, Any]]]:
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(messages, {"type": "http.disconnect"})

    return receive
