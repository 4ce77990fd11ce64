"""HTTP as uvicorn speaks it, with a short way to the express lane (bench/ingest.py).

A POST of alerts is handed over as it was read, and answered in one write: the messages, events and task that ASGI makes of a request would cost as
much as judging it. What the lane does not take, or leaves to door 1, goes uvicorn's own way.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import Any, Self

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from alerts.express import ASGI
from bigpanda_site import asgi

_BODY = b'{"response":{"status":"success"}}'
_END = {
    True: b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(_BODY), _BODY),
    False: b"\r\n",
}


class Protocol(HttpToolsProtocol):
    def on_headers_complete(self) -> None:
        path, _, query = self.url.decode("latin-1").partition("?")
        headers = dict(self.headers)
        if self._is_free() and self.parser.get_method() == b"POST" and asgi.express_lane.takes(path, headers):
            self.cycle = Request(self, headers, path, query)  # type: ignore[assignment]
        else:
            super().on_headers_complete()

    def _is_free(self) -> bool:
        """Whether no other request of this connection waits, and nothing of this one is out of the ordinary."""
        is_idle = self.cycle is None or self.cycle.response_complete
        is_ordinary = self.parser.get_http_version() == "1.1" and not self.expect_100_continue
        return is_idle and is_ordinary and not self.parser.should_upgrade() and not self.flow.write_paused


class Request:
    """A request on the short way; it stands where uvicorn has its own cycle of request and response, and under the same names."""

    def __init__(self, protocol: Protocol, headers: dict[bytes, bytes], path: str, query: str) -> None:
        self.protocol, self.headers, self.path, self.query = protocol, headers, path, query
        self.scope: Any = protocol.scope
        self.keep_alive: bool = protocol.parser.should_keep_alive()
        self.body = b""  # uvicorn adds what comes
        self.more_body = True
        self.disconnected = self.response_complete = False

    @property
    def message_event(self) -> Self:
        """What uvicorn sets when something came in, or the sender went."""
        return self

    def set(self) -> None:
        if self.more_body:
            self.protocol.flow.resume_reading()  # all of it is wanted, and it is small
        elif not self.disconnected and not self.response_complete:
            asgi.express_lane.take(self)

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

    def leave_to(self, door: ASGI) -> None:
        protocol = self.protocol
        raw_path, query = self.path.encode(), self.query.encode("latin-1")
        self.scope |= {"method": "POST", "path": self.path, "raw_path": raw_path, "query_string": query}
        cycle = RequestResponseCycle(
            scope=self.scope,
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
        if protocol.cycle is self:  # type: ignore[comparison-overlap] # else one more waits behind it
            protocol.cycle = cycle
        # As uvicorn has put it around the whole application: who asked, and whether over https, may be a proxy's to say.
        protocol._start_asgi_task(cycle, ProxyHeadersMiddleware(door, protocol.config.forwarded_allow_ips))


@lru_cache(maxsize=8)
def _head(created: bool, keep_alive: bool, default_headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    lines = [b"%s: %s\r\n" % header for header in default_headers]
    return STATUS_LINE[201 if created else 204] + b"".join(lines) + (b"" if keep_alive else b"connection: close\r\n")
