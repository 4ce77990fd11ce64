"""Uvicorn's HTTP protocol with a direct way to the fast path (measured by `bench/ingest.py`).

h11 reads every request, so one request is one request whatever its headers say: an offered upgrade is ignored, trailers
never become headers, and a second `Host` or `Content-Length` is an error. A head with the same bytes as the head of an
earlier alert has the same meaning, so it is not read again. Its POST goes straight to the fast path and is answered in one
write: the messages, events and task that ASGI makes of a request would cost as much as validating it.

Every wait for a peer has a limit: for the head of a request, for the next request, and for the peer to read the answer.
The connections of the process have a limit, too: a new one takes the place of the longest idle one.
`bigpanda_site.bodies` limits the wait for a body.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import Any, Self

import h11
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from bigpanda_site import asgi  # isort: skip - sets Django up, so it comes first: uvicorn may import this module first

from django.conf import settings

from alerts.fast_path.fast_path import ACCEPTED, ASGI, RequestHead
from bigpanda_site import request_ids

HEAD_SECONDS = 10.0  # from the first byte of a head, or from the start of a connection, to the end of the head
DRAIN_SECONDS = 1.0  # how long an idle connection stays open when the server stops: a request may be on its way
READ_SECONDS = 30.0  # how long a peer may leave an answer unread
CLOSE = (b"connection", b"close")
_END = {
    True: b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(ACCEPTED), ACCEPTED),
    False: b"\r\n",
}


class Protocol(H11Protocol):
    """A connection. While a known head is on the fast path, `held` collects the bytes that arrive behind it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        asgi.has_protocol = True
        self.held = b""
        self.answered_at = 0.0
        proxies = self.config.forwarded_allow_ips
        self.proxies = proxies if isinstance(proxies, str) else ",".join(proxies or ())
        self._head_timer: asyncio.TimerHandle | None = None
        self._read_timer: asyncio.TimerHandle | None = None
        self.stops = CLOSE in self.server_state.default_headers

    # --- Receiving

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type] # a TCP connection is a Transport
        self.answered_at = self.loop.time()
        if len(self.connections) > settings.CONNECTIONS:
            self._make_room()
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up)
        if self.stops:
            self.loop.call_later(DRAIN_SECONDS, self._close_idle)

    def data_received(self, data: bytes) -> None:
        if isinstance(self.cycle, FastPathCycle) and not self.cycle.response_complete:
            self.held += data  # the request before is answered first
            self.flow.pause_reading()
            return
        raw_head, end, body = data.partition(b"\r\n\r\n") if self._is_between_requests() else (b"", b"", b"")
        head = asgi.fast_path.heads.get(raw_head)
        if head and end and len(body) == head.length and not self.flow.write_paused:
            self._stop_head_timer()
            request = FastPathCycle(self, head, body, data)
            self.cycle = request  # type: ignore[assignment]
            asgi.fast_path.handle(request)
        else:
            self.receive(data)
            if end and not self._has_more_to_read():
                # The whole request arrived in one piece: its head can be learned.
                self.scope["state"]["raw_head"] = raw_head

    def receive(self, data: bytes) -> None:
        """Let h11 read the bytes."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_head_timer()
        elif self._head_timer is None and self.conn.trailing_data[0]:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _make_room(self) -> None:
        """Close the longest idle connection, or this one where every other one waits for an answer."""
        others: list[Protocol] = [each for each in self.connections if each is not self]  # type: ignore[misc]
        idle = [each for each in others if each.is_free() and not each.transport.is_closing()]
        if not idle:
            self.transport.write(
                b"HTTP/1.1 503 %s\r\nretry-after: 3\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                % STATUS_PHRASES[503]
            )
        min(idle or [self], key=lambda each: each.answered_at).transport.close()

    def _is_between_requests(self) -> bool:
        return self.is_free() and self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]

    def _has_more_to_read(self) -> bool:
        return self.conn.their_state is not h11.DONE or bool(self.conn.trailing_data[0])

    def is_free(self) -> bool:
        """Return whether no request of this connection waits for its answer."""
        return self.cycle is None or self.cycle.response_complete

    # --- The end of the server

    def shutdown(self) -> None:
        """Answer what is in progress and what is on its way, and say that the connection ends. uvicorn calls this.

        A proxy that has just sent a request on an idle connection would report an error if the connection were closed
        at once.
        """
        self.stops = True
        if CLOSE not in self.server_state.default_headers:
            self.server_state.default_headers = [*self.server_state.default_headers, CLOSE]
        if self.is_free():
            self.loop.call_later(DRAIN_SECONDS, self._close_idle)
        elif self.cycle is not None:
            self.cycle.keep_alive = False
            self.cycle.default_headers = self.server_state.default_headers

    def _close_idle(self) -> None:
        if self._is_between_requests():
            self.transport.close()

    # --- Limits of waiting

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        """Close a connection whose peer sends no complete head."""
        self._head_timer = None
        if self.conn.trailing_data[0] and self.is_free() and not self.transport.is_closing():
            phrase = STATUS_PHRASES[408]
            self.transport.write(b"HTTP/1.1 408 %s\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % phrase)
        self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._read_timer = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        if self._read_timer is not None:
            self._read_timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self.answered_at = self.loop.time()
        if self.timeout_keep_alive_task is None:
            super().on_response_complete()
        else:  # the running timer serves this answer too
            self.server_state.total_requests += 1
            self.flow.resume_reading()
        if self.held:
            data, self.held = self.held, b""
            self.data_received(data)

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        left = self.answered_at + self.timeout_keep_alive - self.loop.time()
        if not self.is_free():
            return  # the pending answer starts another timer
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()


class FastPathCycle:
    """A request with a known head on the fast path, in the place and with the names of uvicorn's own cycle."""

    def __init__(self, protocol: Protocol, head: RequestHead, body: bytes, data: bytes) -> None:
        self.protocol, self.head, self.body, self.data = protocol, head, body, data
        self.disconnected = self.response_complete = False
        self.keep_alive = not protocol.stops
        self.default_headers: list[tuple[bytes, bytes]] = []  # as in uvicorn's own cycle; the newest are sent instead

    @property
    def address(self) -> str:
        """The address of the sender, as the standard path sees it."""
        peer = self.protocol.client[0] if self.protocol.client else ""
        forwarded_for = self.head.forwarded_for
        return sender_behind(peer, forwarded_for, self.protocol.proxies) if forwarded_for else peer

    @property
    def message_event(self) -> Self:
        """Return the object that uvicorn sets when the sender disconnected."""
        return self

    def set(self) -> None:
        """Do nothing: an event is stored even if its sender disconnected."""

    def answer(self, *, created: bool) -> None:
        self.response_complete = True
        transport = self.protocol.transport
        if not transport.is_closing():
            headers = tuple(self.protocol.server_state.default_headers)
            named = b"%sx-request-id: %s\r\n" % (_head(created, self.keep_alive, headers), request_ids.new())
            transport.write(named + _END[created])
            if not self.keep_alive:
                transport.close()
        self.protocol.on_response_complete()

    def pass_to(self, standard_path: ASGI) -> None:
        """Let h11 read the request, and the standard path answer it."""
        self.response_complete = True
        protocol = self.protocol
        if protocol.transport.is_closing():
            return
        protocol.receive(self.data)
        protocol.scope["state"]["standard_path"] = standard_path
        held, protocol.held = protocol.held, b""
        if held:
            protocol.receive(held)


@lru_cache(maxsize=1_000)
def sender_behind(peer: str, forwarded_for: str, proxies: str) -> str:
    """Return the sender that a trusted proxy reports, or the peer, as uvicorn does (FORWARDED_ALLOW_IPS)."""
    trusted = ProxyHeadersMiddleware(asgi.application, proxies).trusted_hosts
    return (trusted.get_trusted_client_address(forwarded_for)[0] or peer) if peer in trusted else peer


@lru_cache(maxsize=8)
def _head(created: bool, keep_alive: bool, default_headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    status = 201 if created else 204
    lines = [b"%s: %s\r\n" % header for header in default_headers]
    return (
        b"HTTP/1.1 %d %s\r\n" % (status, STATUS_PHRASES[status])
        + b"".join(lines)
        + (b"" if keep_alive or CLOSE in default_headers else b"connection: close\r\n")
    )
