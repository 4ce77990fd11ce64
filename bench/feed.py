"""Measure the feed on a full console: pages, search, changes, bulk actions, and the cost of 200 viewers.

    python -m bench.feed [--only postgresql,sqlite] [--scale 1.0] [--viewers 200] [--kept FOLDER] [--parts pages,…]

PostgreSQL starts with 50,000 open incidents, 100,000 open alerts, 1,000,000 resolved incidents with an alert each, one
incident of 20,000 alerts and 20 environments. SQLite starts with a tenth of that. `--kept` names a folder that keeps
the filled databases for further runs. The parts are pages, incident, changes, viewers, bulk and queries.

Times are the milliseconds that a signed-in person waits for the server: the median, and the 95th of a hundred. The
target stands beside each time; the benchmark itself never fails. The time of a change runs from its request until the
stream of a viewer has sent the row. Each viewer holds a stream of six views while an incident changes every second.
Their cost is the share of one core that all processes of the console and its database use beyond their use without
viewers. Compare rows of one run only, because machines and their neighbours differ.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from bench.processes import CpuAndMemory
from bench.viewing import Person, Sender, Viewer, cost_of_viewers
from tests import postgres
from tests.running_console import CODE, RunningConsole

OPEN, ALERTS, RESOLVED = 50_000, 100_000, 1_000_000
BIG = 20_000  # alerts of the one big incident
TURNS = 100
BULK = "region = region-0"  # finds a fifth of what is open
PAGES = (
    ("first page", "/", "p95 < 150"),
    ("first page of an environment", "/?env=3", "p95 < 150"),
    ("unhandled", "/?folder=unhandled", "p95 < 150"),
    ("resolved", "/?folder=resolved", "p95 < 150"),
    ("sorted by the last change", "/?sort=last_change", "p95 < 150"),
    ("search by a word", "/?q=node-4711", "< 200"),
    ("search by a word that all have", "/?q=utilisation", "< 200"),
    ("search that finds nothing", "/?q=zzzzzz", "< 200"),
    ("search by two tags", "/?q=team%20%3D%20team-3%20AND%20status%20%3D%20critical", "< 200"),
    ("search by a wildcard", "/?q=host%20%3D%20*-4711.*", "< 200"),
    ("search by a regular expression", "/?q=host%20%3D%20%2Fnode-4.11%5C..*%2F", "< 200"),
)


@dataclass
class Bench:
    """A console on a full database, with a person who is signed in."""

    console: RunningConsole
    person: Person
    roots: list[int]  # its processes and its database's
    viewers: int
    big: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="postgresql,sqlite")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--viewers", type=int, default=200)
    parser.add_argument("--kept", type=Path)
    parser.add_argument("--parts", default=",".join(PARTS))
    options = parser.parse_args()
    os.chdir(CODE)
    with tempfile.TemporaryDirectory(prefix="bench-feed-") as data:
        for name in options.only.split(","):
            with filled(name, options.kept or Path(data), options) as bench:
                print(f"{'':46}{'median':>9}{'p95':>9}   ms, and what it is to be")
                for part in options.parts.split(","):
                    PARTS[part](bench)


@contextlib.contextmanager
def filled(name: str, data: Path, options: argparse.Namespace) -> Iterator[Bench]:
    with contextlib.ExitStack() as stack:
        settings, roots, scale = {}, [], options.scale
        if name == "postgresql":
            server = postgres.running((), kept=data / "server" if options.kept else None)
            settings["DATABASE_URL"] = url = stack.enter_context(server)
            roots = [pid for pid in CpuAndMemory.named("postgres") if f"port={urlsplit(url).port}" in command_line(pid)]
        else:
            scale /= 10
        console = stack.enter_context(RunningConsole(data / name, settings=settings))
        sizes = [int(size * scale) for size in (OPEN, ALERTS, RESOLVED, BIG)]
        filled_with = data / name / "filled"
        if not filled_with.exists():
            print(f"{name}: to be filled with {' '.join(map(str, sizes))}", flush=True)
            fill = [sys.executable, "-m", "bench.fill", *map(str, sizes)]
            subprocess.run(fill, cwd=CODE, env=console.environment, check=True)
            filled_with.write_text(" ".join(map(str, sizes)))
        print(f"{name}, filled with {filled_with.read_text()}", flush=True)
        yield Bench(console, Person(console), [console.process.pid, *roots], options.viewers, sizes[-1])


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def measure_pages(bench: Bench) -> None:
    for words, path, limit in PAGES:
        show(words, timed(partial(bench.person.get, path)), limit)


def measure_incident(bench: Bench) -> None:
    big = bench.person.keys("/?sort=alerts")[0]
    for tab in ("", "/alerts", "/timeline", "/activity", "/why"):
        words = f"{bench.big:,} alerts: {tab[1:] or 'overview'}"
        show(words, timed(partial(bench.person.get, f"/incidents/{big}{tab}"), 20), "< 500")


def measure_changes(bench: Bench) -> None:
    person = bench.person
    sender, turns, host = Sender(bench.console), count(), "flips.example.com"
    with Viewer(person, "sort=last_change") as viewer:
        keys = iter(person.keys("/?sort=last_change"))

        def assign() -> None:
            viewer.forget()
            person.post(f"/incidents/{(key := next(keys))}/assign", follow=False)
            viewer.wait_for(f"incident-{key}")

        def send() -> None:
            viewer.forget()
            sender.send(host, ("critical", "warning")[next(turns) % 2])
            viewer.wait_for(host)

        for words, deed in (("a person takes an incident", assign), ("an alert gets worse or better", send)):
            show(f"{words}, until seen", timed(deed, 40, pause=1), "< 100")


def measure_bulk(bench: Bench) -> None:
    """Measure a bulk action on all matches, from the question until the last incident is done, and its undo."""
    person = bench.person
    began = time.perf_counter()
    asked = person.post("/bulk", what="resolve", all="1", matching=f"?q={BULK}")
    drafted, total = re.search(r"/bulk/(\d+)/start", asked), re.search(r"Resolve ([\d,]+) incidents", asked)
    assert drafted, asked
    assert total, asked
    show(f"{total[1]} incidents asked about", [time.perf_counter() - began], "")
    for words, deed, limit in (("resolved", "start", "< 5000"), ("brought back", "undo", "")):
        began = time.perf_counter()
        person.post(f"/bulk/{drafted[1]}/{deed}", follow=False)
        while "<progress" in person.get(f"/bulk/{drafted[1]}"):
            time.sleep(0.1)
        show(f"{total[1]} incidents {words}", [time.perf_counter() - began], limit)


def measure_viewers(bench: Bench) -> None:
    print(cost_of_viewers(bench.console, bench.person, bench.roots, bench.viewers), flush=True)


def count_queries(bench: Bench) -> None:
    subprocess.run([sys.executable, "-m", "bench.queries"], cwd=CODE, env=bench.console.environment, check=True)


PARTS: dict[str, Callable[[Bench], None]] = {
    "pages": measure_pages,
    "incident": measure_incident,
    "changes": measure_changes,
    "viewers": measure_viewers,
    "bulk": measure_bulk,
    "queries": count_queries,
}


def timed(deed: Callable[[], object], turns: int = TURNS, *, pause: float = 0) -> list[float]:
    """Return the seconds that each round took."""
    taken = []
    for _ in range(turns):
        began = time.perf_counter()
        deed()
        taken.append(time.perf_counter() - began)
        time.sleep(pause)
    return taken


def show(words: str, taken: list[float], limit: str) -> None:
    taken = sorted(1000 * each for each in taken)
    p95 = taken[min(int(len(taken) * 0.95), len(taken) - 1)]
    print(f"{words:46}{statistics.median(taken):9.1f}{p95:9.1f}   {limit}", flush=True)


if __name__ == "__main__":
    main()
