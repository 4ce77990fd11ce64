"""Eight simultaneous senders, two web processes, one database: no event is lost, doubled or refused.

The web processes use a database of their own. The test reads that database in a further process.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection

from supervisor.processes import Process, free_port, start
from supervisor.supervisor import WEB
from tests.alerts.model import Model

CODE = Path(__file__).resolve().parents[2]
SENDERS = 8
REQUESTS = int(os.environ.get("SENDERS_REQUESTS", "40"))  # of each sender
NOW = int(time.time())

# Scripts for processes that use the database of the web processes.
PREPARE = """
import json, django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from appkeys.models import AppKey, OrgToken
keys = {name: AppKey.issue(name=name)[1] for name in ("Nagios", "Zabbix")}
print(json.dumps({"token": OrgToken.issue(name="Senders")[1], "keys": keys}))
"""
REPORT = """
import json, django
django.setup()
from alerts.events import Status
from alerts.models import Alert, Event
from incidents.correlation.worker import correlate_behind
from incidents.models import Incident
print(json.dumps({
    "behind": [correlate_behind(), correlate_behind()],
    "alerts": [{
        "app_key": alert.app_key.name, "host": alert.tags.get("host"), "identity": str(alert.identity),
        "is_current": alert.is_current, "status": Status(alert.status).label, "severity": Status(alert.severity).label,
        "tags": alert.tags, "started_at": alert.started_at.timestamp(), "incident": alert.incident_id,
        "events": [[Status(line.status).label, line.occurred_at.timestamp(), line.tags] for line in alert.events.all()],
    } for alert in Alert.objects.select_related("app_key")],
    "events": Event.objects.count(),
    "incidents": [{
        "pk": incident.pk, "is_open": incident.is_open,
        "alerts": incident.alerts_count, "counts": incident.status_counts,
    } for incident in Incident.objects.all()],
}))
"""


@dataclass
class Console:
    """Two web processes on a new database."""

    environment: dict[str, str]
    log: Path
    ports: list[int] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)

    def run(self, script: str) -> Any:
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, cwd=CODE, env=self.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    def serve(self, *, processes: int = 2) -> None:
        for _ in range(processes):
            self.ports.append(free_port())
            command = [sys.executable, *WEB, "--port", str(self.ports[-1])]
            with self.log.open("ab") as log:
                options: dict[str, Any] = {"cwd": CODE, "env": self.environment, "stdout": log, "stderr": log}
                self.processes.append(start(command, **options))
        deadline = time.monotonic() + 30
        for port, process in zip(self.ports, self.processes, strict=True):
            while not answers(port):
                assert process.poll() is None, self.log.read_text()[-3000:]
                assert time.monotonic() < deadline, "the web process does not answer"
                time.sleep(0.05)

    def stop(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def answers(port: int) -> bool:
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.suppress(OSError), contextlib.closing(asked):
        asked.request("GET", "/data/v2/alerts")
        asked.getresponse().read()
        return True
    return False


@contextlib.contextmanager
def fresh_database(name: str) -> Iterator[str]:
    """Yield the DATABASE_URL of an empty database on the server of this run. The URL is empty for SQLite."""
    if connection.vendor == "sqlite":
        yield ""
        return
    import psycopg

    url = settings.DATABASE_URL
    with psycopg.connect(url, autocommit=True) as administrator:
        administrator.execute(f'CREATE DATABASE "{name}"')
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        finally:
            administrator.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    with fresh_database(f"senders_{os.getpid()}_{time.time_ns()}") as url:
        own = {
            "CONSOLE_DATA": str(tmp_path / "data"),
            "DJANGO_SETTINGS_MODULE": "bigpanda_site.settings",
            "PYTHONWARNINGS": "default",
        }
        if url:
            own["DATABASE_URL"] = url
        # Without a broker, each web process correlates the events that it stored, so that both correlate at the same
        # time.
        running = Console({**kept, **own}, tmp_path / "web.log")
        try:
            yield running
        finally:
            running.stop()


@dataclass
class Sent:
    """A request and its reply."""

    app_key: str
    items: list[dict[str, Any]]
    is_batch: bool
    status: int = 0
    answer: str = ""


def events_of(chance: random.Random) -> list[tuple[str, dict[str, Any]]]:
    """Return events of a few identities of two App Keys, each with a time within one reopen window."""
    events = []
    for app_key in ("Nagios", "Zabbix"):
        for host in range(12):
            for step in range(8):
                event = {
                    "host": f"web-{host}",
                    "status": chance.choice(["ok", "warning", "critical"]),
                    "timestamp": NOW - 3600 * step,
                }
                events.append(
                    (app_key, event | ({"description": f"step {step}"} if step % 2 else {"owner": f"team {step}"}))
                )
    return events


def requests_of(sender: int, events: list[tuple[str, dict[str, Any]]]) -> list[Sent]:
    """Return the requests of a sender: single events and batches in an order of its own, with repeats."""
    chance = random.Random(sender)
    posts = []
    for number in range(REQUESTS):
        app_key, event = chance.choice(events)
        if number % 3 or only_single(event):
            posts.append(Sent(app_key, [event], is_batch=False))
        else:
            batch = [other for key, other in chance.sample(events, 60) if key == app_key and not only_single(other)]
            posts.append(Sent(app_key, batch or [event], is_batch=True))
    return posts


def only_single(event: dict[str, Any]) -> bool:
    """Return whether an event is in no batch, so that its replies show its outcomes."""
    return bool(event["host"] in ("web-0", "web-1", "web-2"))


def send_all(port: int, token: str, keys: dict[str, str], posts: list[Sent], together: threading.Barrier) -> None:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    together.wait(30)
    for post in posts:
        body: dict[str, Any] = {"app_key": keys[post.app_key]}
        body |= {"alerts": post.items} if post.is_batch else post.items[0]
        try:
            link.request("POST", "/data/v2/alerts", json.dumps(body), headers)
            reply = link.getresponse()
            post.status, post.answer = reply.status, reply.read().decode(errors="replace")
        except OSError as error:
            post.answer = repr(error)
            link.close()
    link.close()


def key_of(app_key: str, event: dict[str, Any]) -> tuple[str, str, str, float, str]:
    """Return alert, time and content of an event, which identify the event."""
    tags = {name: value for name, value in event.items() if name not in ("status", "timestamp")}
    return app_key, event["host"], event["status"], float(event.get("timestamp", 0)), json.dumps(tags, sort_keys=True)


def test_eight_senders_at_two_processes_lose_and_double_nothing(console: Console) -> None:
    credentials = console.run(PREPARE)
    console.serve()
    events = events_of(random.Random(7))
    # Each sender begins with the same event without a timestamp, at the same moment.
    first = {"status": "critical", "host": "first"}
    posts = [[Sent("Nagios", [first], is_batch=False), *requests_of(number, events)] for number in range(SENDERS)]
    together = threading.Barrier(SENDERS)
    threads = [
        threading.Thread(
            target=send_all, args=(console.ports[number % 2], credentials["token"], credentials["keys"], mine, together)
        )
        for number, mine in enumerate(posts)
    ]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    took = time.monotonic() - began
    sent = [post for mine in posts for post in mine]
    refused = [(post.status, post.answer[:300], len(post.items)) for post in sent if post.status not in (201, 204)]
    assert not refused, f"{len(refused)} of {len(sent)}: {refused[:3]}\n{console.log.read_text()[-4000:]}"

    report = console.run(REPORT)
    statuses = dict(Counter(post.status for post in sent))
    print(f"{len(sent)} requests in {took:.1f} s: {statuses}; {report['events']} events stored")
    alerts = report["alerts"]

    # Each identity has one alert, because all events lie within one reopen window.
    assert all(alert["is_current"] for alert in alerts)
    assert (
        len({alert["identity"] for alert in alerts})
        == len(alerts)
        == len({(post.app_key, item["host"]) for post in sent for item in post.items})
    )

    # Each event is stored once, and no other event is.
    timed = Counter(
        key_of(alert["app_key"], {**tags, "status": status, "timestamp": at})
        for alert in alerts
        for status, at, tags in alert["events"]
        if alert["host"] != "first"
    )
    wanted = {key_of(post.app_key, item) for post in sent for item in post.items if item is not first}
    assert max(timed.values()) == 1
    assert set(timed) == wanted
    assert [len(alert["events"]) for alert in alerts if alert["host"] == "first"] == [1]
    assert report["events"] == len(wanted) + 1

    # An event that was only sent alone was accepted once, and was a duplicate each further time.
    answers_of: dict[tuple[Any, ...], Counter[int]] = {}
    for post in sent:
        if (not post.is_batch and only_single(post.items[0])) or post.items[0] is first:
            answers_of.setdefault(key_of(post.app_key, post.items[0]), Counter())[post.status] += 1
    assert {answers[201] for answers in answers_of.values()} == {1}

    # Each alert has the state that its events have in order of time.
    model = Model()
    for post in sorted(sent, key=lambda post: post.app_key):
        if post.items[0] is not first:
            model.post(post.items, app_key=post.app_key, now=NOW)
    states = {(identity[0], identity[2]): lives[0].state for identity, lives in model.lives.items()}
    for alert in alerts:
        if alert["host"] != "first":
            state = states[alert["app_key"], alert["host"]]
            found = (alert["status"], alert["severity"], alert["tags"], alert["started_at"])
            assert found == (state.status, state.severity, state.tags, float(state.started_at))

    # Correlation ends, and each alert that was active is in one incident.
    assert report["behind"][1] == 0
    members = Counter(alert["incident"] for alert in alerts if alert["incident"])
    assert all((alert["incident"] is not None) == (alert["severity"] != "ok") for alert in alerts)
    assert members == {incident["pk"]: incident["alerts"] for incident in report["incidents"]}
    for incident in report["incidents"]:
        assert incident["is_open"] == any(
            alert["status"] != "ok" for alert in alerts if alert["incident"] == incident["pk"]
        )
        assert sum(incident["counts"]) == incident["alerts"]
