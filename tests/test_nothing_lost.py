"""Promises 1 and 2 of docs/how-it-works.md §1, on a whole console whose processes are killed under load."""

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
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

from tests import postgres
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
        self.token = self.console.manage("create_org_token", "t")
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


def test_worker_and_broker_killed_while_alerts_are_posted_lose_and_double_nothing(
    tmp_path: Path, own_database: dict[str, str]
) -> None:
    hosts = [f"host-{number}" for number in range(500)]
    with RunningConsole.prepared(tmp_path, own_database) as console:

        def kill_both() -> None:
            kill(console, "--queues correlation")
            kill(console, "valkey-server")

        answered = Sender(console).send_all(hosts, meanwhile=kill_both)
        assert set(answered.values()) == {201}, "neither worker nor broker is on the way from a POST to its answer"
        assert_kept(console, hosts)


def test_a_web_process_killed_while_alerts_are_posted_keeps_what_it_answered(
    tmp_path: Path, own_database: dict[str, str]
) -> None:
    hosts = [f"host-{number}" for number in range(200)]
    with RunningConsole.prepared(tmp_path, own_database) as console:
        sender = Sender(console)
        answered = sender.send_all(hosts, meanwhile=lambda: kill(console, "uvicorn"))
        eventually(lambda: console.status("/login") == 200, "the web process was back")
        again = {sender.send(host) for host, status in answered.items() if status == 0}
        assert again <= {201, 204}, "a sender that tries again gets its answer"
        assert_kept(console, hosts)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="a file has no server that could be restarted")
def test_what_a_restart_of_the_database_cut_is_no_senders_concern(tmp_path: Path, own_database: dict[str, str]) -> None:
    with RunningConsole.prepared(tmp_path, own_database) as console, ThreadPoolExecutor(16) as senders:
        sender = Sender(console)

        def storm(name: str) -> set[int]:
            plain = [senders.submit(sender.send, f"{name}-{number}") for number in range(100)]
            repaired = [senders.submit(sender.send, f"{name}-other-{number}", nested={"a": 1}) for number in range(100)]
            return {each.result() for each in plain + repaired}

        assert storm("before") == {201}
        with psycopg.connect(own_database["DATABASE_URL"]) as server:
            cut = "FROM pg_stat_activity WHERE datname = current_database() AND pid != pg_backend_pid()"
            server.execute(f"SELECT pg_terminate_backend(pid) {cut}")
        assert storm("after") <= {201, 204}
        assert storm("later") == {201}


@pytest.mark.skipif(connection.vendor == "sqlite", reason="a file has no server that could crash")
def test_a_database_that_crashes_while_alerts_are_posted_keeps_what_was_answered(tmp_path: Path) -> None:
    hosts = [f"host-{number}" for number in range(500)]
    with postgres.running(extra=()) as url, RunningConsole.prepared(tmp_path, {"DATABASE_URL": url}) as console:
        sender = Sender(console)
        answered = sender.send_all(hosts, meanwhile=lambda: crash(url))
        again = {sender.send(host) for host, status in answered.items() if status == 503}
        assert {*answered.values()} - {503} | again <= {201, 204}
        assert_kept(console, hosts)
