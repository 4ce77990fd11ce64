"""The HTTP edge, tried with raw bytes: one request is one request, and nobody can make others wait."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.running_console import RunningConsole

pytestmark = pytest.mark.any_database


class Edge:
    """A running console behind its port, with the credentials of a sender."""

    def __init__(self, console: RunningConsole) -> None:
        self.address = ("127.0.0.1", int(console.url.rsplit(":", 1)[1]))
        self.token = console.manage("create_org_token", "Edge").strip()
        self.app_key = console.manage("create_app_key", "Edge").strip()

    def alert(self, host: str) -> bytes:
        return json.dumps({"app_key": self.app_key, "status": "critical", "host": host, "check": "CPU"}).encode()

    def head(self, body: bytes, *lines: str, path: str = "/data/v2/alerts") -> bytes:
        sent = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *lines]
        if not any(line.lower().startswith("authorization") for line in lines):
            sent.append(f"Authorization: Bearer {self.token}")
        return "\r\n".join([*sent, "", ""]).encode()

    @contextlib.contextmanager
    def connected(self) -> Iterator[socket.socket]:
        with socket.create_connection(self.address, timeout=20) as connection:
            yield connection

    def ask(self, *pieces: bytes, pause: float = 0.0, wait: float = 1.0) -> list[int]:
        """Return the status of every answer to what is sent in these pieces."""
        with self.connected() as connection:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
            return statuses(connection, wait)


def statuses(connection: socket.socket, wait: float) -> list[int]:
    """Read until the peer closes or is silent for `wait` seconds."""
    connection.settimeout(wait)
    answer = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        while data := connection.recv(65_536):
            answer += data
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with RunningConsole.prepared(tmp_path_factory.mktemp("edge")) as console:
        edge = Edge(console)
        body = edge.alert("first")
        assert edge.ask(edge.head(body) + body) == [201]  # the standard path lets the credentials in
        yield edge


# --- One request is one request


@pytest.mark.parametrize("upgrade", ["h2c", "websocket", "TLS/1.0"])
@pytest.mark.parametrize("pause", [0.0, 0.2], ids=["in one segment", "body later"])
def test_an_offered_upgrade_is_ignored_and_the_body_is_read(edge: Edge, upgrade: str, pause: float) -> None:
    body = edge.alert(f"{upgrade}-{pause}")
    head = edge.head(body, "Connection: Upgrade, HTTP2-Settings", f"Upgrade: {upgrade}", "HTTP2-Settings: AAMAAABk")
    pieces = (head, body) if pause else (head + body,)
    assert edge.ask(*pieces, pause=pause) == [201]


@pytest.mark.parametrize("path", ["/login", "/data/v2/alerts"])
def test_a_body_behind_an_upgrade_is_never_a_request(edge: Edge, path: str) -> None:
    smuggled = b"GET /api/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = edge.head(smuggled, "Connection: Upgrade", "Upgrade: websocket", path=path)
    assert len(edge.ask(head, smuggled, pause=0.2)) == 1


def test_a_known_head_behind_other_bytes_is_part_of_their_request(edge: Edge) -> None:
    """The bytes of a whole alert are the body of another request."""
    inner = edge.alert("inner")
    whole = edge.head(inner) + inner
    assert edge.ask(whole) == [201]
    assert edge.ask(edge.head(whole, path="/login"), whole, pause=0.2) == [403]


def test_trailers_are_no_headers(edge: Edge) -> None:
    body = edge.alert("trailer")
    head = b"POST /data/v2/alerts HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"%x\r\n%s\r\n0\r\nAuthorization: Bearer %s\r\n\r\n" % (len(body), body, edge.token.encode())
    assert edge.ask(head + chunks) == [401]


@pytest.mark.parametrize(
    "line",
    ["Authorization: Bearer other", "Host: elsewhere", "Content-Length: 3", "Transfer-Encoding: chunked", "Host : a"],
)
def test_a_head_that_says_two_things_is_rejected(edge: Edge, line: str) -> None:
    body = edge.alert("twice")
    lines = [f"Authorization: Bearer {edge.token}", line]
    assert edge.ask(edge.head(body, *lines) + body)[0] == 400


@pytest.mark.parametrize("host", ["a b", "a/b", "a@b", "[::1", "a:b:c", ""])
def test_a_host_that_is_none_is_rejected_on_every_path(edge: Edge, host: str) -> None:
    body = edge.alert("host")
    assert edge.ask(edge.head(body).replace(b"Host: localhost", f"Host: {host}".encode()) + body) == [400]


def test_requests_that_are_sent_together_are_answered_in_their_order(edge: Edge) -> None:
    bodies = [edge.alert(f"together-{number}") for number in range(5)]
    requests = b"".join(edge.head(body) + body for body in [*bodies, bodies[0]])
    assert edge.ask(requests) == [201, 201, 201, 201, 201, 204]


def test_what_is_sent_behind_a_known_head_waits_for_its_answer(edge: Edge) -> None:
    bodies = [edge.alert(f"behind-{number}") for number in range(10)]
    whole = [edge.head(body) + body for body in bodies]
    assert edge.ask(whole[0]) == [201]
    assert edge.ask(*whole[1:]) == [201] * 9


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_known_head_may_arrive_in_pieces(edge: Edge, cut: int) -> None:
    first, second = edge.alert(f"piece-{cut}-a"), edge.alert(f"piece-{cut}-b")
    assert edge.ask(edge.head(first) + first) == [201]
    whole = edge.head(second) + second
    assert edge.ask(whole[:cut], whole[cut:], pause=0.1) == [201]


# --- Nobody makes others wait


def answers_page(edge: Edge) -> bool:
    with edge.connected() as connection:
        connection.sendall(b"GET /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return statuses(connection, 5) == [200]


def test_bodies_that_never_end_hold_no_page_up(edge: Edge) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            connection = stack.enter_context(edge.connected())
            connection.sendall(b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nuser")
        time.sleep(0.5)
        assert answers_page(edge)


def test_a_head_that_never_ends_is_answered_408_and_closed(edge: Edge) -> None:
    assert edge.ask(b"GET / HTTP/1.1\r\nHost: local", wait=15) == [408]


def test_a_connection_on_which_nothing_is_sent_is_closed(edge: Edge) -> None:
    with edge.connected() as connection:
        connection.settimeout(15)
        assert connection.recv(1) == b""


def test_a_body_that_stops_is_answered_408(edge: Edge) -> None:
    head = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nuser"
    assert edge.ask(head, wait=15) == [408]


def test_a_head_that_is_too_large_is_rejected(edge: Edge) -> None:
    with edge.connected() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(200):
                connection.sendall(b"a" * 10_000)
        assert statuses(connection, 2) in ([400], [])


@pytest.mark.parametrize("is_chunked", [False, True], ids=["with a length", "chunked"])
def test_without_credentials_a_large_body_is_not_read(edge: Edge, is_chunked: bool) -> None:
    size = 5_000_000
    length = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {size}"
    head = f"POST /data/v2/alerts HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n".encode()
    body = (b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"a" * size)) if is_chunked else b"a" * size
    with edge.connected() as connection:
        sender = threading.Thread(target=send_what_is_taken, args=(connection, head + body))
        sender.start()
        answered = statuses(connection, 5)
        sender.join()
    assert answered == [401]


def send_what_is_taken(connection: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(data)
