"""The express lane for what is plainly right: it stores alerts straight from the wire (docs/how-it-works.md §3.2; bigpanda_site.http_protocol).

Whatever it is not sure of it leaves to door 1 (alerts.api.alerts): unknown credentials, unusual headers, repairs, rejects,
errors. So all wording lives there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qs

from django.conf import settings
from django.db import close_old_connections
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.db.models.query import RawQuerySet
from rest_framework.exceptions import APIException

from alerts.fast_path.group_commit import GroupCommit
from alerts.health import ingest_stats, request_log
from alerts.ingest.ingest import IngestOutcome
from alerts.payload import ValidatedRequest, parse, validate
from appkeys import usage
from appkeys.authentication import APP_KEY_HEADERS
from appkeys.models import AppKey, OrgToken
from people.secrets import digest

logger = logging.getLogger(__name__)
ASGI = Callable[[Any, Any, Any], Awaitable[None]]
PATHS = frozenset({"/data/v2/alerts", "/oim/api/alerts"})
BODY_LIMIT = 256 * 1024  # bytes; larger batches go to door 1, whose threads keep them from holding up the others
FRESH_SECONDS = 0.25  # how long a token or key may still be taken after it was deactivated
_APP_KEY_HEADERS = frozenset(name.encode() for name in (*APP_KEY_HEADERS, "app_key"))
_UNUSUAL_HEADERS = frozenset({b"content-encoding", b"transfer-encoding", b"idempotency-key", *_APP_KEY_HEADERS})
_digest = lru_cache(maxsize=1_000)(digest)  # of an App Key, which a sender sends again and again


@dataclass(frozen=True)
class RequestHead:
    """What of a POST comes before its body: names of headers in lower case. A sender mostly sends the same one again and again."""

    path: str
    query: str
    sent_headers: Sequence[tuple[bytes, bytes]]

    @cached_property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent_headers)

    @cached_property
    def length(self) -> int | None:
        """Of the body, in bytes; None where it is not said."""
        said = self.headers.get(b"content-length", b"")
        return int(said) if said.isdigit() else None

    @cached_property
    def credentials(self) -> tuple[str, str | None]:
        """The digest of the sent token, and the App Key that the URL names for all alerts; of several, the last, as Django takes it."""
        limit = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
        query = parse_qs(self.query, max_num_fields=limit) if self.query else {}
        scheme, _, secret = self.headers.get(b"authorization", b"").decode("latin-1").strip().partition(" ")
        if scheme.lower() != "bearer":
            secret = query.get("access_token", [""])[-1]
        return digest(secret.strip()), query.get("app_key", [None])[-1]


class FastPathRequest(Protocol):
    """A POST as it came, and who waits for the answer."""

    @property
    def head(self) -> RequestHead: ...

    @property
    def body(self) -> bytes: ...

    def answer(self, *, created: bool) -> None:
        """201 where an event was accepted, 204 where all were duplicates."""

    def leave_to(self, door: ASGI) -> None: ...


class KnownCredentials:
    """Active tokens and App Keys that door 1 has let through, by digest, never older than FRESH_SECONDS when they are used."""

    def __init__(self) -> None:
        self.tokens: frozenset[str] = frozenset()  # those that may send, for every App Key
        self.app_keys: dict[str, AppKey] = {}
        self._seen: set[str] = set()
        self._read_at = 0.0
        self._reading: asyncio.Future[None] | None = None

    def reading(self) -> asyncio.Future[None] | None:
        """Read again in good time; only who comes when it is too late waits for that."""
        age = time.monotonic() - self._read_at
        if age < FRESH_SECONDS / 2:
            return None
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(asyncio.to_thread(self._read))
            self._reading.add_done_callback(lambda done: done.cancelled() or done.exception())
        return self._reading if age > FRESH_SECONDS else None

    def learn(self, digests: set[str]) -> None:
        if not digests <= self._seen:
            self._seen |= digests
            self._read_at = 0.0

    def _read(self) -> None:
        began, wanted = time.monotonic(), frozenset(self._seen)
        try:
            if wanted:
                tokens, app_keys = _questions(wanted)
                may_send = (each.digest for each in tokens.answers() if each.may_send and not each.is_expired)
                self.tokens = frozenset(may_send)
                self.app_keys = {digest: app_key for app_key in app_keys.answers() for digest in app_key.digests}
            usage.flush()
            if len(wanted) == len(self._seen):  # else one was learned meanwhile
                self._read_at = began
        finally:
            close_old_connections()


class _Question:
    """What is asked many times, made into SQL once: that costs more than the answer."""

    def __init__(self, rows: QuerySet[Any]) -> None:
        self._model = rows.model
        self._sql, self._parameters = rows.query.sql_with_params()

    def answers(self) -> RawQuerySet[Any]:
        answers: RawQuerySet[Any] = self._model._default_manager.raw(self._sql, self._parameters)
        return answers


@lru_cache(maxsize=1)
def _questions(digests: frozenset[str]) -> tuple[_Question, _Question]:
    """Tokens that may send for every App Key, and App Keys; what somebody watches, what has a mapping of its own, and a first event, are door 1's."""
    tokens = OrgToken.objects.filter(digest__in=digests, deactivated_at=None, is_limited=False)
    app_keys = AppKey.objects.filter(Q(digest__in=digests) | Q(old_digest__in=digests), deactivated_at=None)
    app_keys = app_keys.exclude(first_event_at=None).exclude(health__watched_until__gt=Now())
    return _Question(tokens), _Question(app_keys.exclude(mappings__is_current=True))


class FastPath:
    """One per web process. `door_1` is an ASGI callable that answers everything."""

    def __init__(self, door_1: ASGI) -> None:
        self._door_1 = door_1
        self._credentials = KnownCredentials()
        self.heads: dict[
            bytes, RequestHead
        ] = {}  # of requests that were plain, by their bytes (bigpanda_site.http_protocol)
        self._group: GroupCommit | None = None

    async def close(self) -> None:
        """Store what is left, and end the threads."""
        if self._group:
            await self._group.close()
            await asyncio.to_thread(ingest_stats.stop)

    def takes(self, head: RequestHead) -> bool:
        """Whether a POST may be plain, as far as that can be told before its body is there."""
        is_small = head.length is not None and head.length <= BODY_LIMIT
        is_usual = _UNUSUAL_HEADERS.isdisjoint(head.headers)
        return head.path in PATHS and is_small and is_usual and not settings.EVENTS_PER_MINUTE

    def take(self, request: FastPathRequest) -> None:
        """Store the events of a request and answer it, or leave it to door 1. It returns at once."""
        if reading := self._credentials.reading():
            reading.add_done_callback(lambda read: self._take(request, read))
        else:
            self._take(request)

    def _take(self, request: FastPathRequest, read: asyncio.Future[None] | None = None) -> None:
        digests: set[str] = set()
        try:
            if read:
                read.result()  # without it, what is known may be too old
            validated = self._judged(request, digests)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - not plainly right: door 1 finds the words
            self._leave(request, digests, error)
            return

        def done(outcomes: list[IngestOutcome] | Exception) -> None:
            if isinstance(outcomes, Exception):
                self._leave(request, digests, outcomes)
            else:
                usage.note(*digests)
                request.answer(created=(created := IngestOutcome.ACCEPTED in outcomes))
                if created:
                    request_log.keep(validated, path=request.head.path, body=request.body)

        if self._group is None:
            ingest_stats.start(request_log.flush)
            self._group = GroupCommit()
        self._group.store(validated.events, done)

    def _judged(self, request: FastPathRequest, digests: set[str]) -> ValidatedRequest:
        """A request that is plainly right. `digests` receives those of the credentials it was sent with."""
        token, key_for_all = request.head.credentials
        digests.add(token)
        known = self._credentials

        def find_app_key(secret: str) -> AppKey | None:
            digests.add(wanted := _digest(secret))
            return known.app_keys.get(wanted)

        validated = validate(parse(request.body), key_for_all, find_app_key, received_at=datetime.now(UTC))
        if token not in known.tokens or validated.rejected or validated.notes:
            raise _NotPlain
        return validated

    def _leave(self, request: FastPathRequest, digests: set[str], error: BaseException) -> None:
        if not isinstance(error, _NotPlain | APIException):
            logger.warning("express lane: %s, door 1 tries", type(error).__name__)

        async def door_1(scope: Any, receive: Any, send: Any) -> None:
            """It learns what is let in there."""

            async def watched(message: Any) -> None:
                if message.get("status") in (HTTPStatus.CREATED, HTTPStatus.NO_CONTENT):
                    self._credentials.learn(digests)
                await send(message)

            await self._door_1(scope, receive, watched)

        request.leave_to(door_1)


class _NotPlain(Exception):
    """A request for door 1."""
