"""People and senders for bench.feed: a signed-in browser, a viewer of a live view, and the cost of hundreds of viewers."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from types import TracebackType
from typing import Any, Self

from bench.processes import CpuAndMemory
from tests.running_console import RunningConsole

VIEWS = ("", "env=2", "env=3", "env=4", "env=5", "folder=unhandled")  # that hundreds watch
SECONDS = 20
PATIENCE = 60.0


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class Person:
    """A browser of an administrator made for the benchmark."""

    def __init__(self, console: RunningConsole) -> None:
        self.url = console.url
        self.jar = CookieJar()
        cookies = urllib.request.HTTPCookieProcessor(self.jar)
        self.opener, self.staying = urllib.request.build_opener(cookies), urllib.request.build_opener(cookies, _Stay)
        name = f"bench-{time.time():.0f}"
        self.get("/login")
        self.post(
            "/login", username=name, password=console.manage("create_user", name, "--role", "admin", "--keep-password")
        )

    def get(self, path: str) -> str:
        with self.opener.open(self.url + path, timeout=PATIENCE) as reply:
            return str(reply.read().decode())

    def status(self, path: str) -> int:
        try:
            with self.staying.open(self.url + path, timeout=PATIENCE) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def post(self, path: str, *, follow: bool = True, **fields: str) -> str:
        token = next(cookie.value for cookie in self.jar if "csrf-" in cookie.name)
        body = urllib.parse.urlencode({"csrfmiddlewaretoken": token, **fields}).encode()
        request = urllib.request.Request(self.url + path, body, {"Referer": self.url})
        try:
            with (self.opener if follow else self.staying).open(request, timeout=PATIENCE) as reply:
                return str(reply.read().decode())
        except urllib.error.HTTPError as error:
            if error.code != 302:
                raise
            return ""

    def keys(self, path: str) -> list[str]:
        """Return the keys of the incidents on a page of the feed, in their order."""
        return [
            part.split('"', 1)[0] for part in self.get(path).split(' data-key="') if part.split('"', 1)[0].isdigit()
        ]

    @property
    def cookie(self) -> str:
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.jar)

    @property
    def address(self) -> tuple[str, int]:
        parts = urllib.parse.urlsplit(self.url)
        return str(parts.hostname), int(parts.port or 80)

    def asking_for(self, view: str) -> bytes:
        """Return the request for the stream of a view."""
        path = f"/live?view={urllib.parse.quote(view)}"
        host = urllib.parse.urlsplit(self.url).netloc
        return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {self.cookie}\r\n\r\n".encode()


class Sender:
    """A monitoring system with an App Key of its own."""

    def __init__(self, console: RunningConsole) -> None:
        self.url = console.url + "/data/v2/alerts"
        self.headers = {
            "Authorization": f"Bearer {console.manage('create_org_token', f'bench {time.time():.0f}', '--all-app-keys')}"
        }
        self.headers["Content-Type"] = "application/json"
        self.app_key = console.manage("create_app_key", f"bench {time.time():.0f}")

    def send(self, host: str, status: str) -> None:
        body = {"app_key": self.app_key, "status": status, "host": host, "check": "c"}
        request = urllib.request.Request(self.url, json.dumps(body).encode(), self.headers)
        urllib.request.urlopen(request, timeout=PATIENCE).close()


class Viewer:
    """A viewer of one view: `with Viewer(person, view) as viewer:`."""

    def __init__(self, person: Person, view: str) -> None:
        self.socket = socket.create_connection(person.address)
        self.socket.sendall(person.asking_for(view))
        self.news, self.heard = threading.Condition(), ""
        self.reader = threading.Thread(target=self._read, daemon=True)

    def _read(self) -> None:
        for line in self.socket.makefile("rb"):
            if line.startswith(b'data: {"query"'):
                told = json.loads(line[6:])
                with self.news:
                    self.heard += json.dumps([told.get("rows"), told.get("gone")])
                    self.news.notify_all()

    def forget(self) -> None:
        """Drop the messages received so far."""
        self.heard = ""

    def wait_for(self, text: str) -> None:
        """Wait until a row that contains the text was received."""
        with self.news:
            assert self.news.wait_for(lambda: text in self.heard, PATIENCE), f"{text} was never told"

    def __enter__(self) -> Self:
        self.reader.start()
        with self.news:
            self.news.wait_for(lambda: bool(self.heard), PATIENCE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.reader.join()
        self.socket.close()


def cost_of_viewers(console: RunningConsole, person: Person, roots: list[int], viewers: int) -> str:
    """Return the cost of hundreds of viewers beyond the cost of the same changes without viewers."""
    sender = Sender(console)
    alone, _ = asyncio.run(_watched(person, sender, roots, 0))
    together, heard = asyncio.run(_watched(person, sender, roots, viewers))
    cost = f"{viewers} viewers: {100 * (together - alone):.1f} % of a core, to be < 10"
    return f"{cost} ({100 * together:.1f} % in all, {100 * alone:.1f} % with nobody; each heard {min(heard)} to {max(heard)} of {SECONDS} changes)"


async def _watched(person: Person, sender: Sender, roots: list[int], viewers: int) -> tuple[float, list[int]]:
    """Return the share of a core while an incident changes every second, and the bytes that each viewer received."""
    streams = [await _connected(person, VIEWS[number % len(VIEWS)]) for number in range(viewers)]
    heard = [0] * viewers

    async def listen(number: int) -> None:
        async for line in streams[number][0]:
            heard[number] += line.startswith(b"event: feed")

    tasks = [asyncio.create_task(listen(number)) for number in range(viewers)]
    await asyncio.sleep(5)
    heard[:] = [0] * viewers
    meter = CpuAndMemory(roots)
    for number in range(SECONDS):
        began = time.monotonic()
        await asyncio.to_thread(sender.send, "watched.example.com", ("critical", "warning")[number % 2])
        await asyncio.sleep(max(0.0, 1 - (time.monotonic() - began)))
    cpu = meter.end()["cpu"]
    for task in tasks:
        task.cancel()
    for _, writer in streams:
        writer.close()
    return cpu, list(heard)


async def _connected(person: Person, view: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(*person.address, limit=2**24)
    writer.write(person.asking_for(view))
    await writer.drain()
    return reader, writer
