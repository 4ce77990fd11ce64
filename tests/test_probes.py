"""Programs ask the console whether it works, and how well: `/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client, RequestFactory

from alerts.models import Alert, Event
from bigpanda_site import outgoing_heartbeat
from bigpanda_site.metrics import METRICS
from bigpanda_site.wsgi import application
from telemetry import counts, publisher
from telemetry.models import Count, Gauge
from tests.conftest import PostBatch, PostEvent, Send

LOOPS = ("beat", "correlation", "actions", "jobs")


def samples(client: Client, **headers: str) -> dict[str, float]:
    """Return the samples of `/metrics` by name and labels."""
    reply = client.get("/metrics", headers=headers)
    assert reply.status_code == 200, reply.content
    lines = [line for line in reply.content.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def grown(before: dict[str, float], after: dict[str, float], name: str) -> float:
    return after[name] - before.get(name, 0)


@pytest.fixture
def all_loops_run(db: None) -> None:
    for name in LOOPS:
        counts.tick(name)


def test_a_process_that_answers_is_healthy_without_a_database(client: Client) -> None:
    reply = client.get("/healthz")
    assert (reply.status_code, reply.json()) == (200, {"status": "ok"})
    assert reply.headers["Cache-Control"] == "no-store"


def test_a_console_whose_loops_run_is_ready(client: Client, all_loops_run: None) -> None:
    reply = client.get("/readyz")
    assert (reply.status_code, reply.json()) == (200, {"status": "ready"})


def test_readyz_names_each_loop_that_has_stopped(
    client: Client, all_loops_run: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(counts._ticks, "correlation", time.time() - 61)
    monkeypatch.delitem(counts._ticks, "beat")
    Gauge.objects.filter(name="beat").delete()
    reply = client.get("/readyz")
    assert reply.status_code == 503
    told = reply.json()
    assert told["status"] == "not ready"
    assert set(told["problems"]) == {"correlation", "beat"}
    assert "Is the worker of correlation alive?" in told["problems"]["correlation"]
    assert told["problems"]["beat"] == "It has never run here. Is beat started?"


def test_a_loop_that_runs_on_another_host_counts(
    client: Client, all_loops_run: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(counts._ticks, "beat")
    Gauge.objects.create(name="beat", process="beat@other:1", value=time.time() - 5)
    assert client.get("/readyz").status_code == 200


def test_readyz_names_a_migration_that_the_database_lacks(client: Client, all_loops_run: None) -> None:
    MigrationRecorder.Migration.objects.filter(app="telemetry").delete()
    reply = client.get("/readyz")
    assert reply.status_code == 503
    assert reply.json()["problems"] == {
        "migrations": "1 are missing in the database, the first is telemetry.0001_counts_and_gauges. Run: ./console manage migrate"
    }


def test_readyz_says_when_the_database_cannot_be_written(client: Client, all_loops_run: None) -> None:
    with connection.cursor() as cursor:
        switch = "SET TRANSACTION READ ONLY" if connection.vendor == "postgresql" else "PRAGMA query_only = ON"
        cursor.execute(switch)
        try:
            reply, metrics = client.get("/readyz"), client.get("/metrics")
        finally:
            if connection.vendor == "sqlite":
                cursor.execute("PRAGMA query_only = OFF")
    assert reply.status_code == 503
    assert reply.json()["problems"]["database"].startswith("It cannot be written")
    assert metrics.status_code == 503


def test_counts_that_could_not_be_written_are_written_later(client: Client, post_event: PostEvent) -> None:
    before = samples(client)
    post_event()
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA query_only = ON")
            assert client.get("/metrics").status_code == 503
            cursor.execute("PRAGMA query_only = OFF")
    assert grown(before, samples(client), 'console_events_total{outcome="accepted"}') == 1


def test_metrics_count_events_by_outcome_and_refused_requests(
    client: Client, post_event: PostEvent, post_batch: PostBatch, send: Send
) -> None:
    before = samples(client)
    post_event(host="db-1")
    post_event(host="db-1")
    post_batch({"status": "critical", "host": "db-2"}, {"status": "nonsense", "host": "db-3"})
    send({"app_key": "unknown", "status": "critical", "host": "db-4"})
    after = samples(client)
    events = {
        outcome: grown(before, after, f'console_events_total{{outcome="{outcome}"}}')
        for outcome in ("accepted", "duplicate", "rejected")
    }
    assert events == {"accepted": 2, "duplicate": 1, "rejected": 2}
    assert sum(after.values()) > sum(before.values())
    refused = [name for name in after if name.startswith("console_refused_requests_total")]
    assert sum(grown(before, after, name) for name in refused) == 1
    assert grown(before, after, "console_accept_seconds_count") == 3
    assert grown(before, after, 'console_accept_seconds_bucket{le="+Inf"}') == 3


def test_counts_of_several_processes_are_added(db: None, client: Client) -> None:
    before = samples(client)
    Count.objects.update_or_create(
        name="console_lock_waits_total", defaults={"value": 40 + before["console_lock_waits_total"]}
    )
    counts.count("console_lock_waits_total", 2)
    assert grown(before, samples(client), "console_lock_waits_total") == 42
    for number in (1, 2):
        Gauge.objects.create(name="streams", process=f"web@host:{number}", value=3)
    Gauge.objects.filter(process="web@host:2").update(
        at=Gauge.objects.get(process="web@host:2").at - timedelta(seconds=70)
    )
    assert samples(client)["console_streams_open"] == 3  # the second process has ended


def test_metrics_tell_how_old_the_oldest_alert_is_that_correlation_has_not_seen(
    client: Client, post_event: PostEvent
) -> None:
    post_event(host="db-1")
    post_event(host="db-2")
    assert samples(client)["console_backlog_alerts"] == 0
    assert samples(client)["console_backlog_age_seconds"] == 0
    known = Alert.objects.get(identifier__contains="db-1")
    post_event(host="db-1", status="warning")
    Alert.objects.filter(pk=known.pk).update(correlated_revision=1)
    event = Event.objects.order_by("pk").last()
    assert event
    Event.objects.filter(pk=event.pk).update(received_at=event.received_at - timedelta(seconds=90))
    told = samples(client)
    assert told["console_backlog_alerts"] == 1
    assert 90 <= told["console_backlog_age_seconds"] < 150


def test_metrics_have_the_form_that_prometheus_reads(client: Client, post_event: PostEvent) -> None:
    post_event()
    text = client.get("/metrics").content.decode()
    assert text.endswith("\n")
    for line in text.splitlines():
        assert re.fullmatch(
            r'# (HELP|TYPE) console_\w+ .+|console_\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [-+.\de]+', line
        ), line
    limits = re.findall(r'console_accept_seconds_bucket\{le="(.+?)"\} (\d+)', text)
    assert [float(limit) for limit, _ in limits] == sorted(float(limit) for limit, _ in limits)
    assert [int(number) for _, number in limits] == sorted(int(number) for _, number in limits)


def test_metrics_are_for_the_token_or_a_listed_address(db: None, client: Client, settings: Any) -> None:
    def status(address: str, **headers: str) -> int:
        return client.get("/metrics", REMOTE_ADDR=address, headers=headers).status_code

    assert status("127.0.0.1") == 200
    assert status("::1") == 200
    assert status("127.0.0.1", X_Forwarded_For="127.0.0.1") == 403  # a proxy on this machine asks for somebody
    assert status("192.0.2.7") == 403
    assert status("unix") == 403
    settings.METRICS_ADDRESSES = [ip_network("192.0.2.0/24")]
    assert status("192.0.2.7") == 200
    assert status("127.0.0.1") == 403
    settings.METRICS_TOKEN = "a long token"
    assert status("198.51.100.9", Authorization="Bearer a long token") == 200
    assert status("198.51.100.9", Authorization="Bearer another token") == 403
    assert "CONSOLE_METRICS_TOKEN" in client.get("/metrics", REMOTE_ADDR="198.51.100.9").content.decode()


def test_probes_ask_by_any_name_and_get_no_cookie(db: None) -> None:
    told: list[Any] = []
    environ = {**RequestFactory().get("/healthz").environ, "HTTP_HOST": "10.1.2.3:8000"}
    body = b"".join(application(environ, lambda status, headers, *_: told.extend([status, headers])))
    assert told[0].startswith("200"), body
    assert "Set-Cookie" not in dict(told[1])
    assert b"10.1.2.3" not in body


class Service(BaseHTTPRequestHandler):
    """An outside service that waits for heartbeats."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        Service.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_heartbeat_leaves_the_console_only_while_it_is_ready(
    all_loops_run: None, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Service.asked.clear()
    with HTTPServer(("127.0.0.1", 0), Service) as server:
        answering = threading.Thread(target=server.serve_forever, daemon=True)
        answering.start()
        settings.HEARTBEAT_URL = f"http://127.0.0.1:{server.server_port}/ping/5ec7e7"
        assert outgoing_heartbeat.send()
        assert Service.asked == ["/ping/5ec7e7"]
        monkeypatch.setitem(counts._ticks, "correlation", time.time() - 61)
        assert not outgoing_heartbeat.send()
        assert Service.asked == ["/ping/5ec7e7"]
        server.shutdown()
        answering.join()
    counts.tick("correlation")
    caplog.clear()
    assert not outgoing_heartbeat.send()
    assert not outgoing_heartbeat.send()
    told = [record.getMessage() for record in caplog.records if "does not answer" in record.getMessage()]
    assert len(told) == 1
    assert "5ec7e7" not in told[0]


def test_rules_and_dashboard_name_only_metrics_that_exist() -> None:
    folder = Path(__file__).parents[1] / "docs" / "monitoring"
    kinds = {name: kind for name, (kind, _) in METRICS.items()}
    known = {*kinds} - {"console_accept_seconds"} | {
        f"console_accept_seconds_{end}" for end in ("bucket", "count", "sum")
    }
    for file in (folder / "prometheus-rules.yml", folder / "grafana-dashboard.json"):
        text = file.read_text()
        named = set(re.findall(r"\bconsole_\w+", text))
        assert named
        assert named <= known, file
        rated = re.findall(r"(?:rate|increase)\((console_\w+?)(?:_bucket)?[\[{]", text)
        assert {kinds[name] for name in rated} <= {"counter", "histogram"}
    documented = set(re.findall(r"`(console_\w+)", (folder.parent / "monitoring.md").read_text()))
    assert documented == set(METRICS)


@pytest.mark.any_database
def test_prometheus_accepts_the_rules_and_they_fire_and_end() -> None:
    if not shutil.which("promtool"):
        (pytest.fail if os.environ.get("REQUIRE_ALL") else pytest.skip)("no promtool (Debian: apt install prometheus)")
    folder = Path(__file__).parents[1] / "docs" / "monitoring"
    for command in (["check", "rules", "prometheus-rules.yml"], ["test", "rules", "prometheus-rules.test.yml"]):
        done = subprocess.run(["promtool", *command], cwd=folder, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


def test_only_get_is_answered(client: Client) -> None:
    assert client.post("/healthz").status_code == 405
    assert json.loads(client.get("/healthz").content)


def test_a_process_forgets_gauges_of_processes_that_ended_long_ago(db: None) -> None:
    Gauge.objects.create(name="streams", process="web@host:1", value=3)
    Gauge.objects.update(at=Gauge.objects.get().at - timedelta(days=2))
    publisher._forget()
    assert not Gauge.objects.exists()
