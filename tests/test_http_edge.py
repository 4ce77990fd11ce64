"""The HTTP edge, tried with raw bytes: one request is one request, and nobody can make others wait.

What travels through reverse proxies is tried directly and behind nginx and Caddy (tests/proxies.py).
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests import proxies
from tests.running_console import PATIENCE, RunningConsole, eventually

pytestmark = pytest.mark.any_database

# The last request of a connection. Whatever was answered before it was an answer to the bytes of the test.
LAST = b"GET /resources/last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
PAGE = b"GET /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
REQUESTS, CONNECTIONS, STREAMS, STREAMS_PER_PERSON = 50, 100, 4, 3
LIMITS = {
    "CONSOLE_REQUESTS_AT_ONCE": str(REQUESTS),
    "CONSOLE_CONNECTIONS": str(CONNECTIONS),
    "CONSOLE_LIVE_STREAMS": str(STREAMS),
    "CONSOLE_LIVE_STREAMS_PER_PERSON": str(STREAMS_PER_PERSON),
}
SIGN_IN = """
from importlib import import_module
from django.conf import settings
from django.contrib.auth import login
from django.http import HttpRequest
from people.models import Role, User
for name in ("rosa", "olga"):
    user = User.objects.create_user(name, password="correct horse battery", role=Role.objects.first())
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore()
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    request.session.save()
    print(f"{settings.SESSION_COOKIE_NAME}={request.session.session_key}")
"""
UNFINISHED_HEAD = b"GET / HTTP/1.1\r\nHost: local"
UNFINISHED_BODY = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nuser"


class Sender:
    """The credentials of a sender, and the requests that it makes."""

    def __init__(self, console: RunningConsole) -> None:
        self.token = console.manage("create_org_token", "Edge", "--all-app-keys").strip()
        self.app_key = console.manage("create_app_key", "Edge").strip()

    def alert(self, host: str) -> bytes:
        return json.dumps({"app_key": self.app_key, "status": "critical", "host": host, "check": "CPU"}).encode()

    def head(self, body: bytes, *lines: str, path: str = "/data/v2/alerts") -> bytes:
        sent = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *lines]
        if not any(line.lower().startswith("authorization") for line in lines):
            sent.append(f"Authorization: Bearer {self.token}")
        return "\r\n".join([*sent, "", ""]).encode()

    def request(self, host: str) -> bytes:
        body = self.alert(host)
        return self.head(body) + body


class Edge:
    """A port at which a console answers, by itself or behind a proxy."""

    def __init__(self, port: int) -> None:
        self.address = ("127.0.0.1", port)

    @contextlib.contextmanager
    def connected(self) -> Iterator[socket.socket]:
        with socket.create_connection(self.address, timeout=PATIENCE) as connection:
            yield connection

    def ask(self, *pieces: bytes, pause: float = 0.0, answers: int = 1) -> list[int]:
        """Return the status of every answer to what is sent in these pieces.

        After so many answers a last request follows. Its own answer is left out.
        """
        with self.connected() as connection:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
            received = read(connection, answers=answers)
            if len(statuses(received)) == answers:
                with contextlib.suppress(OSError):  # closed after an error
                    connection.sendall(LAST)
                received += read(connection)
        found = statuses(received)
        return found[:-1] if len(found) > answers and found[-1] == 404 else found


def read(connection: socket.socket, *, answers: int | None = None) -> bytes:
    """Read until the peer closes, or until so many answers have begun."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while answers is None or len(statuses(received)) < answers:
            if not (data := connection.recv(65_536)):
                break
            received += data
    return received


def told(edge: Edge, sent: bytes) -> bytes:
    with edge.connected() as connection:
        connection.sendall(sent)
        return read(connection)


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    with RunningConsole.prepared(tmp_path_factory.mktemp("edge"), LIMITS) as console:
        yield console


@pytest.fixture(scope="module")
def sender(console: RunningConsole) -> Sender:
    sender = Sender(console)
    assert Edge(console.port).ask(sender.request("first")) == [201]  # the standard path lets the credentials in
    return sender


@pytest.fixture(scope="module")
def direct(console: RunningConsole) -> Edge:
    return Edge(console.port)


@pytest.fixture(scope="module", params=["direct", "nginx", "caddy"])
def edge(
    request: pytest.FixtureRequest, console: RunningConsole, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Edge]:
    """Give the console directly, and behind each proxy."""
    if request.param == "direct":
        yield Edge(console.port)
        return
    proxy = {"nginx": proxies.nginx, "caddy": proxies.caddy}[request.param]
    with proxy(tmp_path_factory.mktemp(request.param), console.port) as port:
        yield Edge(port)


@pytest.fixture(scope="module")
def people(console: RunningConsole) -> list[str]:
    """Sign two people in, and return the cookie of each."""
    return console.manage("shell", "--no-imports", "-c", SIGN_IN).splitlines()[-2:]


@pytest.fixture(scope="module", autouse=True)
def silent(direct: Edge) -> Iterator[dict[str, Future[bytes]]]:
    """Stop sending at once, so that the deadlines pass while the other tests run. Give what the console says."""

    def wait(sent: bytes) -> bytes:
        with direct.connected() as connection:
            connection.sendall(sent)
            return read(connection)

    stopped = {"before the head": b"", "in the head": UNFINISHED_HEAD, "in the body": UNFINISHED_BODY}
    with ThreadPoolExecutor(len(stopped)) as threads:
        yield {where: threads.submit(wait, sent) for where, sent in stopped.items()}


# --- One request is one request


@pytest.mark.parametrize("upgrade", ["h2c", "websocket", "TLS/1.0"])
@pytest.mark.parametrize("pause", [0.0, 0.2], ids=["in one segment", "body later"])
def test_an_offered_upgrade_is_ignored_and_the_body_is_read(
    edge: Edge, sender: Sender, upgrade: str, pause: float
) -> None:
    body = sender.alert(f"{upgrade}-{pause}-{edge.address}")
    head = sender.head(body, "Connection: Upgrade, HTTP2-Settings", f"Upgrade: {upgrade}", "HTTP2-Settings: AAMAAABk")
    pieces = (head, body) if pause else (head + body,)
    assert edge.ask(*pieces, pause=pause) == [201]


@pytest.mark.parametrize("path", ["/login", "/data/v2/alerts"])
def test_a_body_behind_an_upgrade_is_never_a_request(edge: Edge, sender: Sender, path: str) -> None:
    smuggled = b"GET /api/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = sender.head(smuggled, "Connection: Upgrade", "Upgrade: websocket", path=path)
    assert len(edge.ask(head, smuggled, pause=0.2)) == 1


def test_nobody_takes_the_request_of_the_next_visitor(edge: Edge, sender: Sender) -> None:
    """The body of one visitor begins an alert, in whose message the request of the next visitor would stand."""
    beginning = b"message=" + b" " * 10
    query = f"app_key={sender.app_key}&access_token={sender.token}"
    smuggled = (
        f"POST /oim/prtg/alerts?{query} HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 400\r\n\r\n"
    ).encode() + beginning
    head = (
        "POST /login HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Content-Length: {len(smuggled)}\r\n\r\n"
    ).encode()
    page = PAGE.replace(b"\r\n\r\n", b"\r\nCookie: sessionid=secret\r\n\r\n")
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(edge.connected()) for _ in range(3)]
        for connection in connections:
            connection.sendall(head)
            time.sleep(0.15)
            connection.sendall(smuggled)
            read(connection, answers=1)
        for _ in range(3):
            visitor = stack.enter_context(edge.connected())
            visitor.sendall(page)
            assert statuses(read(visitor)) == [200]


def test_trailers_are_no_headers(edge: Edge, sender: Sender) -> None:
    body = sender.alert("trailer")
    head = b"POST /data/v2/alerts HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"%x\r\n%s\r\n0\r\nAuthorization: Bearer %s\r\n\r\n" % (len(body), body, sender.token.encode())
    assert edge.ask(head + chunks) == [401]


@pytest.mark.parametrize(
    "line",
    ["Authorization: Bearer other", "Host: elsewhere", "Content-Length: 3", "Transfer-Encoding: chunked", "Host : a"],
)
def test_a_head_that_says_two_things_is_rejected(edge: Edge, sender: Sender, line: str) -> None:
    body = sender.alert("twice")
    lines = [f"Authorization: Bearer {sender.token}", line]
    end_of_chunk = b"\r\n"  # Caddy reads chunks itself, and answers 502 if they are broken
    assert edge.ask(sender.head(body, *lines) + body + end_of_chunk)[0] in (400, 502)


@pytest.mark.parametrize("host", ["a b", "a/b", "a@b", "[::1", "a:b:c", ""])
def test_a_host_that_is_none_is_rejected_on_every_path(direct: Edge, sender: Sender, host: str) -> None:
    whole = sender.request("host").replace(b"Host: localhost", f"Host: {host}".encode())
    assert direct.ask(whole) == [400]


def test_a_known_head_behind_other_bytes_is_part_of_their_request(direct: Edge, sender: Sender) -> None:
    """The bytes of a whole alert are the body of another request."""
    whole = sender.request("inner")
    assert direct.ask(whole) == [201]
    assert direct.ask(sender.head(whole, path="/login"), whole, pause=0.2) == [403]


def test_requests_that_are_sent_together_are_answered_in_their_order(edge: Edge, sender: Sender) -> None:
    bodies = [sender.alert(f"together-{edge.address}-{number}") for number in range(5)]
    requests = b"".join(sender.head(body) + body for body in [*bodies, bodies[0]])
    assert edge.ask(requests, answers=6) == [201, 201, 201, 201, 201, 204]


def test_what_is_sent_behind_a_known_head_waits_for_its_answer(direct: Edge, sender: Sender) -> None:
    whole = [sender.request(f"behind-{number}") for number in range(10)]
    assert direct.ask(whole[0]) == [201]
    assert direct.ask(*whole[1:], answers=9) == [201] * 9


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_known_head_may_arrive_in_pieces(direct: Edge, sender: Sender, cut: int) -> None:
    first, second = sender.request(f"piece-{cut}-a"), sender.request(f"piece-{cut}-b")
    assert direct.ask(first) == [201]
    assert direct.ask(second[:cut], second[cut:], pause=0.1) == [201]


# --- Odd requests

ODD_TARGETS = (
    *("/", "*", "///", "//evil/x", "http://evil/login", "/%00", "/%ff%fe", "/" + "a" * 10_000, "/?" + "a&" * 7000),
    *("/incidents/" + "9" * 5000, "/incidents/%00", "/resources/v2.0/%00", "/oim/%00/alerts", "/configurations/%00"),
    *("/?q=%00%ff", "/?q=" + "(" * 3000, "/?env=" + "9" * 30, "/live/state?shown=%00&q=%ed%a0%80", "/login?next=%00"),
    *("/static/%00", "/static/..%2f..%2fetc/passwd", "/download/%00", "/welcome/%ff", "/wall/%00"),
    *("/data/v2/alerts?access_token=%00", "/oim/email/alerts?app_key=%00"),
)


def test_no_request_is_so_odd_that_the_console_fails(direct: Edge, people: list[str]) -> None:
    answered = {}
    for target in ODD_TARGETS:
        for method in ("GET", "HEAD", "OPTIONS", "POST", "FOO") if len(target) == 1 else ("GET", "PATCH"):
            head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nCookie: {people[0]}\r\nConnection: close\r\n\r\n"
            answered[method, target[:40]] = statuses(told(direct, head.encode()))
    wrong_method = 501  # of the API
    assert {
        asked: found
        for asked, found in answered.items()
        if len(found) != 1 or (found[0] >= 500 and found[0] != wrong_method)
    } == {}


@pytest.mark.parametrize("path", ["/", "/login", "/api/openapi.json"])
def test_a_host_that_is_not_the_consoles_is_refused(direct: Edge, path: str) -> None:
    head = f"GET {path} HTTP/1.1\r\nHost: evil.example.com\r\nConnection: close\r\n\r\n"
    assert statuses(told(direct, head.encode())) == [400]


# --- Nobody makes others wait


def answers_page(edge: Edge) -> bool:
    return statuses(told(edge, PAGE)) == [200]


def test_bodies_that_never_end_hold_no_page_up(edge: Edge) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(edge.connected()).sendall(UNFINISHED_BODY)
        assert answers_page(edge)


def test_a_head_that_is_too_large_is_rejected(edge: Edge) -> None:
    with edge.connected() as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
            for _ in range(400):
                connection.sendall(b"a" * 10_000)
        assert statuses(read(connection)) in ([400], [431], [])


@pytest.mark.parametrize("is_chunked", [False, True], ids=["with a length", "chunked"])
def test_without_credentials_a_large_body_is_not_read(edge: Edge, is_chunked: bool) -> None:
    size = 5_000_000
    length = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {size}"
    head = f"POST /data/v2/alerts HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n".encode()
    body = (b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"a" * size)) if is_chunked else b"a" * size
    with edge.connected() as connection:
        sending = threading.Thread(target=send_what_is_taken, args=(connection, head + body))
        sending.start()
        answered = statuses(read(connection, answers=1))
        connection.shutdown(socket.SHUT_RDWR)
        sending.join()
    assert answered == [401]


def send_what_is_taken(connection: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(data)


def test_peers_that_stop_are_told_so_and_let_go(silent: dict[str, Future[bytes]]) -> None:
    answered = {where: statuses(future.result(PATIENCE)) for where, future in silent.items()}
    assert answered == {"before the head": [], "in the head": [408], "in the body": [408]}


def test_requests_beyond_the_limit_are_told_to_come_back(direct: Edge) -> None:
    """Senders read it as JSON, and people as a page."""
    with contextlib.ExitStack() as stack:
        for _ in range(REQUESTS):
            stack.enter_context(direct.connected()).sendall(UNFINISHED_BODY)
        refused = {}
        for path in ("/data/v2/alerts", "/login"):
            ask = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
            eventually(lambda ask=ask: statuses(told(direct, ask)) == [503], "all places were taken")  # type: ignore[misc]
            refused[path] = told(direct, ask)
    assert all(b"\r\nretry-after: 3\r\n" in answer for answer in refused.values())
    assert json.loads(refused["/data/v2/alerts"].partition(b"\r\n\r\n")[2])["status"] == 503
    assert b"<h1>The console works on as many requests as it can.</h1>" in refused["/login"]
    eventually(lambda: answers_page(direct), "the places were free again")


def test_idle_connections_make_room_for_new_ones(direct: Edge) -> None:
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(direct.connected()) for _ in range(2 * CONNECTIONS)]
        assert answers_page(direct)
        assert read(idle[0]) == b""


def test_a_person_has_so_many_live_streams_and_is_told_why_not_more(direct: Edge, people: list[str]) -> None:
    rosa, olga = people
    with contextlib.ExitStack() as stack:

        def opened(cookie: str, query: str, *, until: bytes = b"") -> bytes:
            """Open a stream, and return what it says first: that it runs, or why not."""
            connection = stack.enter_context(direct.connected())
            head = f"GET /live?{query} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n"
            connection.sendall(head.encode())
            received = b""
            while (b"\n\n" not in received or until not in received) and (piece := connection.recv(65_536)):
                received += piece
            return received

        views = "&".join(f"view=q%3Dhost%253D{number}" for number in range(13))
        answer = opened(rosa, views, until=b"event: refused")
        assert b'{"query": "q=host%3D12", "words": "many searches open", ' in answer
        for _ in range(STREAMS_PER_PERSON - 1):
            assert b"event: ping" in opened(rosa, "all=1")
        assert b"You have 3 browsers with live updates open already." in opened(rosa, "all=1")
        assert b"event: ping" in opened(olga, "all=1")
        assert b"4 browsers have live updates already." in opened(olga, "all=1")
