"""Uvicorn's HTTP protocol with a direct way to the fast path (measured by `bench/ingest.py`).

A POST of alerts goes to the fast path as it was read and is answered in one write. The messages, events and task that
ASGI makes of a request would cost as much as validating it. A head with the same bytes as an earlier head is not parsed
again; a sender's heads are mostly equal. Requests that the fast path does not take, or leaves to the standard path, go
through uvicorn unchanged.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import Any, Self

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from alerts.fast_path.fast_path import ASGI, RequestHead
from bigpanda_site import asgi

HEADS_KNOWN, HEAD_BYTES = 1_000, 2_000  # limits of the cache of heads, which starts again when it is full
_BODY = b'{"response":{"status":"success"}}'
_END = {
    True: b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(_BODY), _BODY),
    False: b"\r\n",
}


class Protocol(HttpToolsProtocol):
    is_between_requests = True  # no byte of the next request was read yet
    piece = b"", b""  # head and body of the bytes that are being read
    answered_at = 0.0

    def data_received(self, data: bytes) -> None:
        raw, end, body = data.partition(b"\r\n\r\n") if self.is_between_requests else (b"", b"", b"")
        head = asgi.fast_path.heads.get(raw)
        if head and end and len(body) == head.length and self._is_free():
            request = FastPathCycle(self, head, keep_alive=True)
            self.cycle = request  # type: ignore[assignment]
            request.take(body)
        else:
            self.piece = raw, body
            super().data_received(data)

    def on_message_begin(self) -> None:
        self.is_between_requests = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        path, _, query = self.url.decode("latin-1").partition("?")
        head = RequestHead(path, query, self.headers)
        if self._is_ordinary() and self._is_free() and asgi.fast_path.accepts(head):
            self.cycle = FastPathCycle(self, head, keep_alive=self.parser.should_keep_alive())  # type: ignore[assignment]
        else:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        self.is_between_requests = True
        super().on_message_complete()

    def _is_ordinary(self) -> bool:
        is_post = self.parser.get_method() == b"POST" and self.parser.get_http_version() == "1.1"
        return is_post and not self.expect_100_continue and not self.parser.should_upgrade()

    def _is_free(self) -> bool:
        """Return whether no other request of this connection is waiting."""
        return not self._is_busy() and not self.flow.write_paused

    def _is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def on_response_complete(self) -> None:
        self.answered_at = self.loop.time()
        if self.timeout_keep_alive_task is None or self.pipeline:
            super().on_response_complete()
        else:  # the running timer serves this answer too
            self.server_state.total_requests += 1

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        left = self.answered_at + self.timeout_keep_alive - self.loop.time()
        if self._is_busy():
            return  # the pending answer starts another timer
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()


class FastPathCycle:
    """A request on the fast path, in the place and with the names of uvicorn's own cycle of request and response."""

    def __init__(self, protocol: Protocol, head: RequestHead, *, keep_alive: bool) -> None:
        self.protocol, self.head, self.keep_alive = protocol, head, keep_alive
        self.body = b""  # uvicorn appends to it
        self.more_body = True
        self.disconnected = self.response_complete = False
        self.raw_head = b""  # set where head and body arrived in one piece

    @property
    def message_event(self) -> Self:
        """Return the object that uvicorn sets when data arrived or the sender disconnected."""
        return self

    def set(self) -> None:
        if self.more_body:
            self.protocol.flow.resume_reading()  # the fast path needs the whole body, and bodies are small
        elif not self.disconnected and not self.response_complete:
            raw_head, body = self.protocol.piece
            if body == self.body:
                self.raw_head = raw_head
            asgi.fast_path.handle(self)

    def take(self, body: bytes) -> None:
        """Hand the complete request to the fast path."""
        self.body, self.more_body = body, False
        asgi.fast_path.handle(self)

    def answer(self, *, created: bool) -> None:
        self.response_complete = True
        transport = self.protocol.transport
        if not transport.is_closing():
            transport.write(
                _head(created, self.keep_alive, tuple(self.protocol.server_state.default_headers)) + _END[created]
            )
            if not self.keep_alive:
                transport.close()
        self.protocol.on_response_complete()
        if self.raw_head and self.keep_alive:
            self._learn()

    def _learn(self) -> None:
        """Remember the head, because equal bytes have an equal meaning."""
        heads = asgi.fast_path.heads
        if len(heads) >= HEADS_KNOWN:
            heads.clear()
        if len(self.raw_head) <= HEAD_BYTES:
            heads[self.raw_head] = self.head

    def pass_to(self, standard_path: ASGI) -> None:
        protocol, head = self.protocol, self.head
        scope: Any = {
            "type": "http",
            "asgi": {"version": protocol.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": protocol.server,
            "client": protocol.client,
            "scheme": protocol.scheme,
            "root_path": protocol.root_path,
            "headers": list(head.sent_headers),
            "state": protocol.app_state.copy(),
            "method": "POST",
            "path": head.path,
            "raw_path": head.path.encode(),
            "query_string": head.query.encode("latin-1"),
        }
        cycle = RequestResponseCycle(
            scope=scope,
            transport=protocol.transport,
            flow=protocol.flow,
            logger=protocol.logger,
            access_logger=protocol.access_logger,
            access_log=protocol.access_log,
            default_headers=protocol.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=self.keep_alive,
            on_response=protocol.on_response_complete,
        )
        cycle.body, cycle.more_body, cycle.disconnected = bytearray(self.body), False, self.disconnected
        cycle.message_event.set()
        if protocol.cycle is self:  # type: ignore[comparison-overlap] # otherwise another request waits behind it
            protocol.cycle = cycle
        # Uvicorn wraps the whole application like this: a proxy may state the client's address and the scheme.
        protocol._start_asgi_task(cycle, ProxyHeadersMiddleware(standard_path, protocol.config.forwarded_allow_ips))


@lru_cache(maxsize=8)
def _head(created: bool, keep_alive: bool, default_headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    lines = [b"%s: %s\r\n" % header for header in default_headers]
    return STATUS_LINE[201 if created else 204] + b"".join(lines) + (b"" if keep_alive else b"connection: close\r\n")
