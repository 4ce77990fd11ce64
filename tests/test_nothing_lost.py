"""Promises 1 and 2 of engine.md, on a whole console whose processes are killed under load."""

from __future__ import annotations

import json
import os
import signal
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.running_console import RunningConsole, eventually

# Of each alert that was sent: how many events are stored, and the incidents it is in; asked of the database by the console's own environment.
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
        return 0  # no answer: whether it was stored is not promised


def kill(console: RunningConsole, word: str) -> None:
    number = console.process_of(word)
    assert number, f"no process {word!r} to kill"
    os.kill(number, signal.SIGKILL)


def stored(console: RunningConsole) -> list[list[Any]]:
    rows: list[list[Any]] = json.loads(console.manage("shell", "--no-imports", "-c", COUNTS).splitlines()[-1])
    return rows


def test_worker_and_broker_killed_while_alerts_are_posted_lose_and_double_nothing(
    tmp_path: Path, own_database: dict[str, str]
) -> None:
    with RunningConsole.prepared(tmp_path, own_database) as console:
        token, app_key = console.manage("create_org_token", "t"), console.manage("create_app_key", "k")
        half_way = threading.Event()

        def send(number: int) -> tuple[str, int]:
            if number == 150:
                half_way.set()
            host = f"host-{number}"
            return host, post(console, token, {"app_key": app_key, "status": "critical", "host": host, "check": "c"})

        with ThreadPoolExecutor(8) as senders:
            replies = senders.map(send, range(500))
            half_way.wait()
            kill(console, "bigpanda_site worker")
            kill(console, "valkey-server")
            answered = dict(replies)
        assert set(answered.values()) == {201}, "neither worker nor broker is on the way from a POST to its answer"
        eventually(lambda: all(is_correlated for *_, is_correlated in stored(console)), "all alerts were correlated")
        rows = stored(console)
        assert sorted(host for host, *_ in rows) == sorted(answered)
        assert all(events == 1 and incident is not None for _, events, incident, _ in rows)
        assert len({incident for _, _, incident, _ in rows}) == 500


def test_a_web_process_killed_while_alerts_are_posted_keeps_what_it_answered(
    tmp_path: Path, own_database: dict[str, str]
) -> None:
    with RunningConsole.prepared(tmp_path, own_database) as console:
        token, app_key = console.manage("create_org_token", "t"), console.manage("create_app_key", "k")
        half_way = threading.Event()

        def send(number: int) -> tuple[str, int]:
            if number == 60:
                half_way.set()
            host = f"host-{number}"
            return host, post(console, token, {"app_key": app_key, "status": "critical", "host": host})

        with ThreadPoolExecutor(8) as senders:
            replies = senders.map(send, range(200))
            half_way.wait()
            kill(console, "uvicorn")
            answered = dict(replies)
        eventually(lambda: console.status("/login") == 200, "the web process was back")
        again = {host: send(int(host.split("-")[1]))[1] for host, status in answered.items() if status == 0}
        assert set(again.values()) <= {201, 204}, "a sender that tries again gets its answer"
        eventually(lambda: all(is_correlated for *_, is_correlated in stored(console)), "all alerts were correlated")
        rows = stored(console)
        assert sorted(host for host, *_ in rows) == sorted(answered)
        assert all(events == 1 and incident is not None for _, events, incident, _ in rows)
