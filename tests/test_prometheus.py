"""A real Prometheus and a real Alertmanager fire and resolve through a real console, with the settings of its set-up page.

Alertmanager also sends to PagerDuty and Opsgenie. Here the console stands in their place.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from appkeys import gallery
from supervisor.processes import free_port
from tests.running_console import RunningConsole, eventually

pytestmark = pytest.mark.any_database

ALERTS = """
import json
from alerts.models import Alert
print(json.dumps(sorted([alert.app_key.name, alert.secondary_value.split()[0], alert.is_active] for alert in Alert.objects.all())))
"""
PROGRAMS = ("prometheus", "prometheus-alertmanager")  # as Debian's packages name them


@pytest.fixture(autouse=True)
def _programs_are_here() -> None:
    if absent := [name for name in PROGRAMS if not shutil.which(name)]:
        reason = f"not on this machine: {', '.join(absent)} (Debian: apt install {' '.join(PROGRAMS)})"
        (pytest.fail if os.environ.get("REQUIRE_ALL") else pytest.skip)(reason)


class Shop(BaseHTTPRequestHandler):
    """A system that Prometheus watches: a queue whose length the test sets."""

    length = 0

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(f"orders_waiting {Shop.length}\n".encode())

    def log_message(self, *_: object) -> None:
        pass


def alerts(console: RunningConsole) -> list[list[object]]:
    """Return the App Key, the rule and the activity of each alert."""
    told: list[list[object]] = json.loads(console.manage("shell", "--no-imports", "-c", ALERTS).splitlines()[-1])
    return told


@contextlib.contextmanager
def serving() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Shop) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def running(log: Path, *command: str) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=log.parent)
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


def accepted(query: str) -> float:
    """Return the number of accepted events, as Prometheus read it from the console."""
    with urllib.request.urlopen(query, timeout=5) as reply:
        found = json.load(reply)["data"]["result"]
    return sum(float(each["value"][1]) for each in found if each["metric"]["outcome"] == "accepted")


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return int(reply.status) == 200
    except (urllib.error.URLError, OSError):
        return False


def test_a_queue_that_grows_is_an_alert_and_one_that_drains_ends_it(tmp_path: Path) -> None:
    alertmanager, prometheus = free_port(), free_port()
    with RunningConsole.prepared(tmp_path / "console") as console, serving() as shop:
        token = console.manage("create_org_token", "Senders", "--all-app-keys")
        app_key = console.manage("create_app_key", "Prometheus")
        url = console.url + gallery.TOOLS["prometheus"].url
        [settings] = [
            part.code
            for part in gallery.setup("prometheus", url=url, app_key=app_key, token=token)
            if part.title == "alertmanager.yml"
        ]
        pagerduty, opsgenie = (
            f"{token}:{console.manage('create_app_key', name)}" for name in ("PagerDuty", "Opsgenie")
        )
        others = (
            f"    pagerduty_configs: [{{routing_key: '{pagerduty}', url: '{console.url}/v2/enqueue'}}]\n"
            f"    opsgenie_configs: [{{api_key: '{opsgenie}', api_url: '{console.url}/'}}]\nroute:"
        )
        hasty = "  group_wait: 0s\n  group_interval: 1s\n  repeat_interval: 1h\n"
        (tmp_path / "alertmanager.yml").write_text(settings.replace("route:", others) + f"\n{hasty}")
        rule = {
            "alert": "OrdersWait",
            "expr": "orders_waiting > 10",
            "labels": {"severity": "page"},
            "annotations": {
                "description": "{{ $value }} orders wait",
                "runbook_url": "https://wiki.example.com/orders",
            },
        }
        (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "shop", "rules": [rule]}]}))
        watched = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]},
            "scrape_configs": [
                {"job_name": "shop", "static_configs": [{"targets": [f"127.0.0.1:{shop}"]}]},
                {"job_name": "console", "static_configs": [{"targets": [f"127.0.0.1:{console.port}"]}]},
            ],
        }
        (tmp_path / "prometheus.yml").write_text(json.dumps(watched))  # JSON is YAML too

        with (
            running(
                tmp_path / "alertmanager.log",
                "prometheus-alertmanager",
                "--config.file=alertmanager.yml",
                f"--web.listen-address=127.0.0.1:{alertmanager}",
                "--cluster.listen-address=",
                "--storage.path=alertmanager",
            ),
            running(
                tmp_path / "prometheus.log",
                "prometheus",
                "--config.file=prometheus.yml",
                f"--web.listen-address=127.0.0.1:{prometheus}",
                "--storage.tsdb.path=prometheus",
            ),
        ):
            eventually(lambda: answers(f"http://127.0.0.1:{alertmanager}/-/ready"), "Alertmanager was ready")
            Shop.length = 42
            names = ("Opsgenie", "PagerDuty", "Prometheus")
            fired = [[name, "OrdersWait", True] for name in names]
            eventually(lambda: alerts(console) == fired, "the alert was there, by each of the three ways")
            asked = f"http://127.0.0.1:{prometheus}/api/v1/query?query=console_events_total"
            eventually(lambda: accepted(asked) >= len(names), "Prometheus had the metrics of the console")
            Shop.length = 0
            ended = [[name, "OrdersWait", False] for name in names]
            eventually(lambda: alerts(console) == ended, "it was over, by each of them")
