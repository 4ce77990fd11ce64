"""The fast path stores the events of clear-cut requests straight from the HTTP protocol (docs/how-it-works.md §3.2).

A request that is not clear-cut goes to the standard path (`alerts.api.alerts`): unknown credentials, unusual headers,
repairs, rejects, errors. So all wording is in the standard path.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qs

from django.conf import settings
from django.db import close_old_connections, connections
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.db.models.query import RawQuerySet
from rest_framework.exceptions import APIException

from alerts.fast_path.connections import ANSWER_SECONDS
from alerts.fast_path.group_commit import GroupCommit
from alerts.health import inbox, ingest_stats, request_log
from alerts.ingest import event_limit
from alerts.ingest.ingest import IngestOutcome
from alerts.payload import ValidatedRequest, parse, validate
from appkeys import usage
from appkeys.authentication import APP_KEY_HEADERS
from appkeys.models import AppKey, OrgToken
from db import deadline
from db.background_buffer import BackgroundWriter
from db.connections import keep_own
from db.outage import Outage, outage_of
from people.secrets import digest

logger = logging.getLogger(__name__)
ASGI = Callable[[Any, Any, Any], Awaitable[None]]
PATHS = frozenset({"/data/v2/alerts", "/oim/api/alerts"})
ACCEPTED = b'{"response":{"status":"success"}}'  # the body of a 201
HEADS_KNOWN, HEAD_BYTES = 1_000, 2_000  # limits of the cache of heads, which starts again when it is full
# In bytes. Reading a larger batch on the event loop would delay other requests; the standard path reads it in a thread.
BODY_LIMIT = 256 * 1024
SMALL_BODY = 8 * 1024  # bytes; larger bodies are read one at a time, and other requests come between
FRESH_SECONDS = 0.25  # for so long a token or an App Key may still be accepted after it was deactivated
_APP_KEY_HEADERS = frozenset(name.encode() for name in (*APP_KEY_HEADERS, "app_key"))
_UNUSUAL_HEADERS = frozenset({b"content-encoding", b"transfer-encoding", b"idempotency-key", *_APP_KEY_HEADERS})
_digest = lru_cache(maxsize=1_000)(digest)  # of App Keys, which senders repeat


@dataclass(frozen=True)
class RequestHead:
    """The path, query and headers of a POST, with header names in lower case. Senders mostly repeat the same head."""

    path: str
    query: str
    sent_headers: Sequence[tuple[bytes, bytes]]

    @cached_property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent_headers)

    @cached_property
    def length(self) -> int | None:
        """The length of the body in bytes, or None where no header gives it."""
        length = self.headers.get(b"content-length", b"")
        return int(length) if length.isdigit() else None

    @cached_property
    def credentials(self) -> tuple[str, str | None]:
        """The digest of the org token, and the App Key that the query names for all alerts.

        Of a parameter that stands twice in the query the last value counts, as in Django.
        """
        limit = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
        query = parse_qs(self.query, max_num_fields=limit) if self.query else {}
        scheme, _, secret = self.headers.get(b"authorization", b"").decode("latin-1").strip().partition(" ")
        if scheme.lower() != "bearer":
            secret = query.get("access_token", [""])[-1]
        return digest(secret.strip()), query.get("app_key", [None])[-1]

    @cached_property
    def forwarded_for(self) -> str:
        """The addresses that proxies report, or an empty text."""
        values = (value for name, value in self.sent_headers if name == b"x-forwarded-for")
        return b", ".join(values).decode("latin-1")


class FastPathRequest(Protocol):
    """A POST as the HTTP protocol received it, and the way to answer it."""

    @property
    def head(self) -> RequestHead: ...

    @property
    def address(self) -> str:
        """The address of the sender."""

    @property
    def body(self) -> bytes: ...

    def answer(self, *, created: bool) -> None:
        """Send 201 if an event was accepted, else 204: all events were duplicates."""

    def pass_to(self, standard_path: ASGI) -> None: ...


class KnownCredentials:
    """Active org tokens and App Keys that the standard path has accepted, at most FRESH_SECONDS old when used."""

    def __init__(self) -> None:
        # By token: the digests that may stand in one request with it, or None where that is every App Key.
        self.tokens: dict[str, frozenset[str] | None] = {}
        self.app_keys: dict[str, AppKey] = {}
        self.event_limit: int = settings.EVENTS_PER_MINUTE
        self._seen: set[str] = set()
        self._read_at = 0.0
        self._reading: asyncio.Future[None] | None = None
        # With a connection of its own, so that pages which wait for a lock hold up no sender.
        self._reader = ThreadPoolExecutor(1, "credentials", initializer=keep_own)

    def close(self) -> None:
        self._reader.submit(connections.close_all)
        self._reader.shutdown()

    def refresh(self) -> asyncio.Future[None] | None:
        """Refresh the credentials at half of their lifetime. Return a future only once the credentials have expired."""
        age = time.monotonic() - self._read_at
        if age < FRESH_SECONDS / 2:
            return None
        if self._reading is None or self._reading.done():
            self._reading = asyncio.get_running_loop().run_in_executor(self._reader, self._read)
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
                with deadline.within(ANSWER_SECONDS):
                    self._keep(*_queries(wanted))
            if len(wanted) == len(self._seen):  # else a credential was learned during the read
                self._read_at = began
                self.event_limit = settings.EVENTS_PER_MINUTE
        finally:
            close_old_connections()

    def _keep(self, tokens: _Query, app_keys: _Query, limits: _Query) -> None:
        may_send = [each for each in tokens.rows() if each.may(OrgToken.Scope.ALERTS) and not each.is_expired]
        self.app_keys = {digest: app_key for app_key in app_keys.rows() for digest in app_key.digests}
        allowed: dict[int, set[int]] = {}
        for each in limits.rows():
            allowed.setdefault(each.orgtoken_id, set()).add(each.appkey_id)
        self.tokens = {
            each.digest: self._digests_beside(each.digest, allowed.get(each.pk, set())) if each.is_limited else None
            for each in may_send
        }

    def _digests_beside(self, token: str, app_keys: set[int]) -> frozenset[str]:
        return frozenset((token, *(digest for digest, app_key in self.app_keys.items() if app_key.pk in app_keys)))


class _Query:
    """A query that is compiled to SQL once, because compiling costs more than running it."""

    def __init__(self, queryset: QuerySet[Any]) -> None:
        self._model = queryset.model
        self._sql, self._parameters = queryset.query.sql_with_params()

    def rows(self) -> RawQuerySet[Any]:
        rows: RawQuerySet[Any] = self._model._default_manager.raw(self._sql, self._parameters)
        return rows


@lru_cache(maxsize=1)
def _queries(digests: frozenset[str]) -> tuple[_Query, _Query, _Query]:
    """Return the queries for tokens, for App Keys, and for the App Keys of limited tokens.

    An App Key that a person watches, that has a mapping, or that waits for its first event is left to the standard
    path.
    """
    tokens = OrgToken.objects.filter(digest__in=digests, deactivated_at=None)
    app_keys = AppKey.objects.filter(Q(digest__in=digests) | Q(old_digest__in=digests), deactivated_at=None)
    app_keys = app_keys.exclude(first_event_at=None).exclude(health__watched_until__gt=Now())
    limits = OrgToken.app_keys.through._default_manager.filter(orgtoken__digest__in=digests)
    return _Query(tokens), _Query(app_keys.exclude(mappings__is_current=True)), _Query(limits)


class FastPath:
    """The fast path of one web process.

    `standard_path` is an ASGI application that answers every request. `busy` answers a request whose alerts could not
    be stored because of a lock. The standard path would wait for the same lock, in a thread that pages need.
    """

    def __init__(self, standard_path: ASGI, busy: ASGI) -> None:
        self._standard_path, self._busy = standard_path, busy
        self._credentials = KnownCredentials()
        # Heads of accepted requests by their bytes, as the HTTP protocol recognizes them (bigpanda_site.http_protocol).
        self.heads: dict[bytes, RequestHead] = {}
        self._writer = BackgroundWriter(ingest_stats.buffer, request_log.buffer, inbox.buffer, usage.buffer)
        self._group: GroupCommit | None = None
        self._large: deque[tuple[FastPathRequest, asyncio.Future[None] | None]] = deque()

    async def close(self) -> None:
        """Store the events and buffers that are left, and end the threads."""
        while self._large:
            await asyncio.sleep(0)
        if self._group:
            await self._group.close()
            await asyncio.to_thread(self._writer.stop)
        await asyncio.to_thread(self._credentials.close)

    def learn_head(self, raw_head: bytes, head: RequestHead) -> None:
        """Remember the head of an accepted request, because equal bytes have an equal meaning."""
        if len(self.heads) >= HEADS_KNOWN:
            self.heads.clear()
        if len(raw_head) <= HEAD_BYTES:
            self.heads[raw_head] = head

    def accepts(self, head: RequestHead) -> bool:
        """Return whether a POST may be clear-cut, as far as its head tells."""
        is_small = head.length is not None and head.length <= BODY_LIMIT
        is_usual = _UNUSUAL_HEADERS.isdisjoint(head.headers)
        # The standard path refuses a credential that came without https.
        is_usual &= not settings.HTTPS or head.headers.get(b"x-forwarded-proto") == b"https"
        return head.path in PATHS and is_small and is_usual

    def handle(self, request: FastPathRequest) -> None:
        """Store the events of a request and answer it later, or pass it to the standard path. Return at once."""
        if reading := self._credentials.refresh():
            reading.add_done_callback(lambda read: self._take_turn(request, read))
        elif len(request.body) <= SMALL_BODY:
            self._handle(request)
        else:
            self._take_turn(request)

    def _take_turn(self, request: FastPathRequest, read: asyncio.Future[None] | None = None) -> None:
        """Handle a request. One with a large body waits for those before it, and for the requests that arrived meanwhile."""
        if len(request.body) <= SMALL_BODY:
            self._handle(request, read)
            return
        self._large.append((request, read))
        if len(self._large) == 1:
            asyncio.get_running_loop().call_soon(self._handle_large)

    def _handle_large(self) -> None:
        self._handle(*self._large[0])
        self._large.popleft()
        if self._large:
            asyncio.get_running_loop().call_soon(self._handle_large)

    def _handle(self, request: FastPathRequest, read: asyncio.Future[None] | None = None) -> None:
        digests: set[str] = set()
        try:
            if read:
                read.result()  # raises where the read failed: the known credentials may be too old
            validated = self._validate(request, digests)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the standard path words every error
            self._pass_on(request, digests, error)
            return

        def done(outcomes: list[IngestOutcome] | Exception) -> None:
            if isinstance(outcomes, Exception) and outage_of(outcomes) is Outage.BUSY:
                request.pass_to(self._busy)
            elif isinstance(outcomes, Exception):
                self._pass_on(request, digests, outcomes)
            else:
                usage.record(digests, request.address)
                request.answer(created=(created := IngestOutcome.ACCEPTED in outcomes))
                if created:
                    request_log.record(validated, path=request.head.path, body=request.body)

        if self._group is None:
            self._writer.start()
            self._group = GroupCommit()
        self._group.store(validated.events, done)

    def _validate(self, request: FastPathRequest, digests: set[str]) -> ValidatedRequest:
        """Return the events of a clear-cut request, else raise. Add the digests of its credentials to `digests`."""
        token, key_for_all = request.head.credentials
        digests.add(token)
        known = self._credentials

        def find_app_key(secret: str) -> AppKey | None:
            digests.add(wanted := _digest(secret))
            return known.app_keys.get(wanted)

        validated = validate(parse(request.body), key_for_all, find_app_key, received_at=datetime.now(UTC))
        if token not in known.tokens or validated.rejected or validated.notes:
            raise _NotClearCut
        allowed = known.tokens[token]
        if allowed is not None and not digests <= allowed:
            raise _NotClearCut
        event_limit.count(validated.events, known.event_limit)
        return validated

    def _pass_on(self, request: FastPathRequest, digests: set[str], error: BaseException) -> None:
        """Pass a request to the standard path, and learn its credentials if the standard path accepts them."""
        if not isinstance(error, _NotClearCut | APIException):
            logger.warning("fast path: %s, the standard path answers: %s", type(error).__name__, error)

        async def standard_path(scope: Any, receive: Any, send: Any) -> None:
            async def learn_and_send(message: Any) -> None:
                if message.get("status") in (HTTPStatus.CREATED, HTTPStatus.NO_CONTENT):
                    self._credentials.learn(digests)
                await send(message)

            await self._standard_path(scope, receive, learn_and_send)

        request.pass_to(standard_path)


class _NotClearCut(Exception):
    """A request that the standard path answers."""
