"""Senders of alerts to a running console, what it stored of them, and the ends of its processes."""

from __future__ import annotations

import json
import os
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.running_console import RunningConsole, eventually

# For each alert: the number of its stored events, and its incidents. The console's own environment reads them from the database.
COUNTS = """
import json
from django.db.models import Count
from alerts.models import Alert
alerts = Alert.objects.annotate(number=Count("events")).values_list("tags", "number", "incident", "revision", "correlated_revision")
print(json.dumps([[tags["host"], number, incident, seen == revision] for tags, number, incident, revision, seen in alerts]))
"""


def post(console: RunningConsole, token: str, body: dict[str, Any]) -> int:
    request = urllib.request.Request(
        console.url + "/data/v2/alerts",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0  # without an answer it may or may not be stored


def kill(console: RunningConsole, word: str) -> None:
    number = console.process_of(word)
    assert number, f"no process {word!r} to kill"
    os.kill(number, signal.SIGKILL)


def crash(database: str) -> None:
    """Crash the server: it ends all of its processes and recovers from its log on the disk."""
    with psycopg.connect(database) as server:
        row = server.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'").fetchone()
    assert row, "the server has come up"
    os.kill(row[0], signal.SIGKILL)


@dataclass
class Sender:
    console: RunningConsole

    def __post_init__(self) -> None:
        self.token = self.console.manage("create_org_token", "t", "--all-app-keys")
        self.app_key = self.console.manage("create_app_key", "k")

    def send(self, host: str, **more: Any) -> int:
        alert = {"app_key": self.app_key, "status": "critical", "host": host, **more}
        return post(self.console, self.token, alert)

    def send_all(self, hosts: Sequence[str], *, meanwhile: Callable[[], None]) -> dict[str, int]:
        """Send all alerts, eight at a time, and return their answers. Call a function when nearly a third of them were sent."""
        half_way = threading.Event()

        def send(host: str) -> int:
            if host == hosts[len(hosts) * 3 // 10]:
                half_way.set()
            return self.send(host)

        with ThreadPoolExecutor(8) as senders:
            answers = senders.map(send, hosts)
            half_way.wait()
            meanwhile()
            return dict(zip(hosts, answers, strict=True))


def assert_kept(console: RunningConsole, hosts: Sequence[str]) -> None:
    """Assert that each host has one alert with one event, in an incident of its own."""
    eventually(lambda: all(is_correlated for *_, is_correlated in stored(console)), "all alerts were correlated")
    rows = stored(console)
    assert sorted(host for host, *_ in rows) == sorted(hosts)
    assert all(events == 1 and incident is not None for _, events, incident, _ in rows)
    assert len({incident for _, _, incident, _ in rows}) == len(hosts)


def stored(console: RunningConsole) -> list[list[Any]]:
    rows: list[list[Any]] = json.loads(console.manage("shell", "--no-imports", "-c", COUNTS).splitlines()[-1])
    return rows
