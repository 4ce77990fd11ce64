"""How quick the feed is on a full console: pages, search, changes, and what it costs to have 200 people watch it.

    python -m bench.feed [--only postgresql,sqlite] [--scale 1.0] [--viewers 200]

PostgreSQL begins with 50,000 open incidents, 100,000 open alerts, 1,000,000 resolved incidents and 20 environments, SQLite with a tenth of that.
Times are what a signed-in person waits for the server, in milliseconds: the median, and the 95th of a hundred. Viewers hold a stream each while one
incident changes every second; the cost is the share of one core that all processes of the console and of the database take.
Compare rows of one run only: machines differ, and so do their neighbours.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from pathlib import Path

from bench.processes import CpuAndMemory
from tests import postgres
from tests.running_console import CODE, RunningConsole

OPEN, ALERTS, RESOLVED, ENVIRONMENTS = 50_000, 100_000, 1_000_000, 20
TURNS = 100
BIG = 20_000  # alerts of the one big incident


class Person:
    """A browser of a signed-in administrator."""

    def __init__(self, console: RunningConsole) -> None:
        self.url = console.url
        self.jar = CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        self.post("/login", username="admin", password=console.password)

    def get(self, path: str) -> str:
        with self.opener.open(self.url + path, timeout=120) as reply:
            return str(reply.read().decode())

    def post(self, path: str, **fields: str) -> str:
        token = next((cookie.value for cookie in self.jar if cookie.name == "csrftoken"), None)
        if token is None:
            self.get(path)
            token = next(cookie.value for cookie in self.jar if cookie.name == "csrftoken")
        body = urllib.parse.urlencode({"csrfmiddlewaretoken": token or "", **fields}).encode()
        request = urllib.request.Request(self.url + path, body, {"Referer": self.url})
        with self.opener.open(request, timeout=300) as reply:
            return str(reply.read().decode())

    @property
    def cookie(self) -> str:
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.jar)


def timed(deed: Callable[[], object], turns: int = TURNS) -> str:
    taken = []
    for _ in range(turns):
        began = time.perf_counter()
        deed()
        taken.append((time.perf_counter() - began) * 1000)
    taken.sort()
    return f"{statistics.median(taken):8.1f} {taken[int(len(taken) * 0.95) - 1 if len(taken) > 1 else 0]:8.1f}"


async def watch(person: Person, viewers: int, until: asyncio.Event) -> list[int]:
    """Hold that many streams; returns how many messages each heard."""
    host, port = person.url.removeprefix("http://").split(":")
    heard = [0] * viewers

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        path = f"/live?view={urllib.parse.quote(f'env={number % 5 + 1}' if number % 2 else '')}"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {person.cookie}\r\n\r\n".encode())
        while not until.is_set():
            line = await reader.readline()
            heard[number] += line.startswith(b"event: feed")

    tasks = [asyncio.create_task(one(number)) for number in range(viewers)]
    await until.wait()
    for task in tasks:
        task.cancel()
    return heard


def viewers_cost(console: RunningConsole, person: Person, roots: list[int], viewers: int, seconds: int = 20) -> str:
    token, app_key = console.manage("create_org_token", "bench"), console.manage("create_app_key", "bench live")

    def change(number: int) -> None:
        body = {"app_key": app_key, "status": "critical" if number % 2 else "warning", "host": "flips", "check": "c"}
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(console.url + "/data/v2/alerts", json.dumps(body).encode(), headers)
        urllib.request.urlopen(request, timeout=30).close()

    async def measured(count: int) -> tuple[float, list[int]]:
        until = asyncio.Event()
        watching = asyncio.create_task(watch(person, count, until))
        await asyncio.sleep(5)
        meter = CpuAndMemory(roots)
        for number in range(seconds):
            await asyncio.to_thread(change, number)
            await asyncio.sleep(1)
        cpu = meter.end()["cpu"]
        until.set()
        return cpu, await watching

    alone, _ = asyncio.run(measured(1))
    together, heard = asyncio.run(measured(viewers))
    return f"{together * 100:.1f} % of a core with {viewers} viewers, {alone * 100:.1f} % with one; each heard {min(heard)} to {max(heard)} changes"


@contextlib.contextmanager
def filled(name: str, data: Path, scale: float) -> Iterator[tuple[RunningConsole, list[int]]]:
    with contextlib.ExitStack() as stack:
        settings, roots = {}, []
        if name == "postgresql":
            settings["DATABASE_URL"] = stack.enter_context(postgres.running(extra=()))
            roots = CpuAndMemory.named("postgres")
        else:
            scale /= 10
        console = stack.enter_context(RunningConsole(data / name, settings=settings))
        sizes = [str(int(size * scale)) for size in (OPEN, ALERTS, RESOLVED)] + [str(ENVIRONMENTS)]
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "bench.fill", *sizes], cwd=CODE, env=console.environment, check=True)
        print(f"{name}: filled with {', '.join(sizes)} in {time.monotonic() - began:.0f} s", flush=True)
        yield console, [console.process.pid, *roots]


def measure(console: RunningConsole, roots: list[int], viewers: int) -> None:
    person = Person(console)
    resolvable = iter(re.findall(r'data-key="(\d+)"', person.get("/?sort=start") + person.get("/?sort=alerts")))
    big = re.search(r'data-key="(\d+)"', person.get("/?sort=alerts"))
    assert big

    def resolve() -> None:
        person.post(f"/incidents/{next(resolvable)}/assign")

    print(f"{'':44}{'median':>8} {'p95':>8}   ms")
    for words, deed, turns in (
        ("first page", lambda: person.get("/"), TURNS),
        ("first page of an environment", lambda: person.get("/?env=3"), TURNS),
        ("unhandled", lambda: person.get("/?folder=unhandled"), TURNS),
        ("resolved", lambda: person.get("/?folder=resolved"), TURNS),
        ("search by a word", lambda: person.get("/?q=node-4711"), TURNS),
        ("search by BPQL", lambda: person.get("/?q=team%20%3D%20team-3%20AND%20status%20%3D%20critical"), TURNS),
        ("search that finds nothing", lambda: person.get("/?q=zzzzzz"), TURNS),
        ("sorted by the last change", lambda: person.get("/?sort=last_change"), TURNS),
        ("a change of one incident, with its page", resolve, 40),
        (f"an incident with {BIG} alerts", lambda: person.get(f"/incidents/{big[1]}"), 20),
    ):
        print(f"{words:44}{timed(deed, turns)}", flush=True)
    print(f"live: {viewers_cost(console, person, roots, viewers)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="postgresql,sqlite")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--viewers", type=int, default=200)
    options = parser.parse_args()
    os.chdir(CODE)
    with tempfile.TemporaryDirectory(prefix="bench-feed-") as data:
        for name in options.only.split(","):
            with filled(name, Path(data), options.scale) as (console, roots):
                measure(console, roots, options.viewers)


if __name__ == "__main__":
    main()
