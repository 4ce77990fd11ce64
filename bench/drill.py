"""Everything around a console fails, round after round, under load: what was sent is stored, correlated and shown, once.

Two consoles with one database and one broker stand behind nginx. PostgreSQL lies on a small disk, with its default
durability. Each round brings one fault. Senders repeat what was not answered with 2xx. Two probes ask for the feed and
send an alert ten times a second, and tell how long pages and ingest were impaired: from the first request that failed
or took more than a second to the next one that did not. Correlation is impaired while an alert of five seconds ago waits
for it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import psycopg

from bench.viewing import Person
from supervisor.processes import broker_binary
from tests import proxies
from tests.brokers import Broker
from tests.postgres import Server
from tests.running_console import RunningConsole, eventually
from tests.senders import crash, stored

SENDERS = 6
SLOW = 1.0  # seconds
AWAY = 4.0  # seconds that a fault lasts which does not end by itself
DISK = "700m"
WORKER, WEB, BEAT = "--queues correlation ", "uvicorn", "celery --quiet -A bigpanda_site beat"
LATE = """
SELECT 1 FROM alerts_alert WHERE revision > correlated_revision AND last_event_at < now() - interval '5 seconds' LIMIT 1
"""
# The log of changes must fit on the small disk.
ON_SMALL_DISK = ("max_wal_size=128MB", "wal_keep_size=0")


@dataclass
class Probe:
    """Requests ten times a second, and the time during which they failed or were slow."""

    ask: Callable[[], bool]
    slow: float = SLOW
    asked_at: float | None = None
    impaired_since: float | None = None
    impaired: float = 0.0  # seconds in this round
    is_over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.is_over.wait(0.1):
            self.asked_at = began = time.monotonic()
            is_good = self.ask() and time.monotonic() - began <= self.slow
            self.asked_at = None
            if is_good and self.impaired_since is not None:
                self.impaired += time.monotonic() - self.impaired_since
                self.impaired_since = None
            elif not is_good and self.impaired_since is None:
                self.impaired_since = began

    def is_good(self) -> bool:
        asked_at = self.asked_at
        return self.impaired_since is None and (asked_at is None or time.monotonic() - asked_at < self.slow)

    def take(self) -> float:
        """Return the time of this round, and begin the next round."""
        seconds, self.impaired = self.impaired, 0.0
        return seconds


@dataclass
class Drill:
    """Two consoles, their surroundings, and the faults by name."""

    consoles: list[RunningConsole]
    server: Server
    broker: Broker
    port: int
    is_small_disk: bool

    def faults(self) -> dict[str, Callable[[], None]]:
        faults = {
            "worker killed": lambda: self.signal(WORKER, signal.SIGKILL),
            "worker frozen": lambda: self.signal(WORKER, signal.SIGSTOP),
            "web killed": lambda: self.signal(WEB, signal.SIGKILL),
            "web frozen": lambda: self.signal(WEB, signal.SIGSTOP),
            "web restarted in rotation": self.rotate,
            "beat killed": lambda: self.signal(BEAT, signal.SIGKILL),
            "Redis stopped": self.stop_broker,
            "Redis frozen": self.freeze_broker,
            "PostgreSQL crashed": lambda: crash(self.server.url),
            "PostgreSQL cut off": self.cut,
            "PostgreSQL stopped": self.stop_database,
            "PostgreSQL read-only": self.read_only,
        }
        return faults | ({"disk full": self.fill_disk} if self.is_small_disk else {})

    def __post_init__(self) -> None:
        self.next_console = itertools.cycle(self.consoles)

    def signal(self, words: str, number: int) -> None:
        """Send a signal to a process of one console, of each in turn."""
        console = next(self.next_console)
        os.kill(eventually(lambda: console.process_of(words), f"{words} runs") or 0, number)

    def rotate(self) -> None:
        for console in self.consoles:
            before = eventually(lambda each=console: each.process_of(WEB), "the web process runs")  # type: ignore[misc]
            os.kill(before or 0, signal.SIGTERM)
            eventually(lambda each=console, old=before: each.process_of(WEB) not in (None, old), "another one runs")  # type: ignore[misc]
            eventually(lambda each=console: each.status("/login") == 200, "it answers")  # type: ignore[misc]

    def stop_broker(self) -> None:
        self.broker.end()
        time.sleep(AWAY)
        self.broker.start()

    def freeze_broker(self) -> None:
        self.broker.process.send_signal(signal.SIGSTOP)
        time.sleep(AWAY)
        self.broker.process.send_signal(signal.SIGCONT)

    def cut(self) -> None:
        with psycopg.connect(self.server.url) as server:
            server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid()")

    def stop_database(self) -> None:
        self.server.stop()
        time.sleep(AWAY)
        self.server.start()

    def read_only(self) -> None:
        self._set_read_only("on")
        time.sleep(AWAY)
        self._set_read_only("off")

    def _set_read_only(self, value: str) -> None:
        with psycopg.connect(self.server.url, autocommit=True) as server:
            server.execute("SET default_transaction_read_only = off")
            server.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
            server.execute("SELECT pg_reload_conf()")

    def fill_disk(self) -> None:
        filler = self.server.folder / "filler"
        with contextlib.suppress(OSError), filler.open("wb") as file:
            while True:
                file.write(b"\0" * 65_536)
                file.flush()
        time.sleep(AWAY)
        filler.unlink()
        if not self.server.is_running():  # the log of changes could not grow, so the server ended itself
            self.server.start()


def run(rounds: int) -> None:
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-drill-")))
        scratch.chmod(0o755)
        is_small_disk = os.geteuid() == 0 and stack.enter_context(_small_disk(scratch / "disk"))
        server = stack.enter_context(Server(scratch / "disk", ON_SMALL_DISK))
        broker = stack.enter_context(Broker(broker_binary(Path(sys.executable)) or "valkey-server"))
        settings = {"DATABASE_URL": server.url, "REDIS_URL": broker.url, "CONSOLE_EVENTS_PER_MINUTE": "0"}
        settings |= {"CONSOLE_SECRET_KEY": secrets.token_urlsafe(48)}  # of both, because they share a database
        consoles = [stack.enter_context(RunningConsole(scratch / name, settings=settings)) for name in ("a", "b")]
        port = stack.enter_context(proxies.nginx(scratch / "nginx", *(console.port for console in consoles)))
        _play(Drill(consoles, server, broker, port, bool(is_small_disk)), rounds)


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    """Mount a small disk at a folder. Yield whether this machine allows it."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=755", "tmpfs", str(folder)])
    if mounted.returncode:
        print("This machine allows no small disk: the fault 'disk full' is left out.", flush=True)
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "--lazy", str(folder)])


def _play(drill: Drill, rounds: int) -> None:
    console = drill.consoles[0]
    url = f"http://127.0.0.1:{drill.port}"
    token, app_key = (
        console.manage("create_org_token", "drill", "--all-app-keys"),
        console.manage("create_app_key", "drill"),
    )
    person = Person(SimpleNamespace(url=url, manage=console.manage))  # type: ignore[arg-type]
    sent: list[str] = []
    answers: Counter[int] = Counter()
    is_over = threading.Event()

    def post(host: str) -> bool:
        alert = {"app_key": app_key, "status": "critical", "host": host, "check": "c"}
        request = urllib.request.Request(
            f"{url}/data/v2/alerts",
            json.dumps(alert).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                status = int(reply.status)
        except urllib.error.HTTPError as error:
            with error:
                status = error.code
        except OSError:
            status = 0
        answers[status] += 1
        if status in (201, 204):
            sent.append(host)
        return status in (201, 204)

    def send(name: str) -> None:
        for number in itertools.count():
            while not post(f"{name}-{number}"):
                time.sleep(0.2)
            if is_over.wait(0.05):
                return

    def sees_feed() -> bool:
        try:
            return 'id="rows"' in person.get("/")
        except OSError:
            return False

    numbers = itertools.count()
    pending: list[str] = []

    def sends() -> bool:
        """Send a new alert, or first the one that was not taken."""
        host = pending.pop() if pending else f"probe-{next(numbers)}"
        if not (is_taken := post(host)):
            pending.append(host)
        return is_taken

    def is_correlated() -> bool:
        try:
            with psycopg.connect(drill.server.url, connect_timeout=1) as server:
                return server.execute(LATE).fetchone() is None
        except psycopg.Error:
            return True  # the other probes tell that the database is away

    probes = {"pages": Probe(sees_feed), "ingest": Probe(sends), "correlation": Probe(is_correlated, slow=60.0)}
    senders = [threading.Thread(target=send, args=(f"sender-{place}",), daemon=True) for place in range(SENDERS)]
    asking = [threading.Thread(target=probe.run, daemon=True) for probe in probes.values()]
    for thread in (*senders, *asking):
        thread.start()
    impaired: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    faults = drill.faults()
    for number, (name, fault) in zip(range(rounds), itertools.cycle(faults.items()), strict=False):
        time.sleep(1)
        fault()
        time.sleep(1.5)
        eventually(lambda: all(probe.is_good() for probe in probes.values()), f"all was well after: {name}")
        for what, probe in probes.items():
            impaired[name][what].append(probe.take())
        print(
            f"{number + 1:3} {name:28}" + "".join(f"{what} {impaired[name][what][-1]:5.1f} s   " for what in probes),
            flush=True,
        )
    is_over.set()
    for thread in senders:
        thread.join()
    for probe in probes.values():
        probe.is_over.set()
    for thread in asking:
        thread.join()
    for host in pending:
        eventually(lambda host=host: post(host), "the last alert was taken")  # type: ignore[misc]
    eventually(lambda: all(is_correlated for *_, is_correlated in stored(console)), "all alerts were correlated")
    rows = stored(console)
    found = re.search(r'id="pill-critical".*?class="count">([\d,]+)<', person.get("/"), re.DOTALL)
    shown = int(found[1].replace(",", "")) if found else 0
    print(f"\n{'seconds impaired, median and longest':40}" + "".join(f"{what:>16}" for what in probes))
    for name, of_kind in impaired.items():
        figures = (f"{statistics.median(seconds):7.1f} {max(seconds):7.1f}" for seconds in of_kind.values())
        print(f"{name:28} {len(of_kind['pages']):3} times" + " " * 3 + " ".join(f"{figure:>15}" for figure in figures))
    incidents = {incident for _, _, incident, _ in rows}
    print(f"answers: {dict(answers)} (0: none; the sender tried again)")
    print(
        f"sent {len(sent):,} (different: {len(set(sent)):,}) = stored {len(rows):,} = correlated "
        f"{sum(incident is not None for _, _, incident, _ in rows):,} = shown {shown:,}: "
        f"{len(set(sent)) == len(rows) == len(incidents) == shown}"
    )
    print(f"with other than one event: {sum(events != 1 for _, events, *_ in rows)}")
    print(f"stored and never answered with 2xx: {len({host for host, *_ in rows} - set(sent))}")
