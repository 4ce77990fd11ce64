"""Measure correlation on PostgreSQL with default durability: its rate, its delay, and the duration of a replay.

    python -m bench.correlation [--only rate,seen,large,replay] [--events 1000000]

`rate`: alerts that one worker and two workers correlate per second from a backlog, beside the given numbers of open
alerts and patterns. The row also shows the CPU of one worker and of the database per alert, and the CPUs that other
processes use in the meantime. `seen`: the time from the answer of the Alerts API to the incident in the feed's table,
at 500 events a second, on a whole console. `large`: the cost of one more alert in an incident of 20,000. `replay`:
seconds and memory of a replay over a week of events, and over the first quarter of them. Compare rows of one run only,
because machines and their neighbours differ.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.processes import CpuAndMemory
from tests import postgres
from tests.running_console import RunningConsole

BEHIND = 6_000  # alerts that workers find
OPEN_ALERTS = (0, 10_000, 100_000)
PATTERNS = (1, 10, 50)
RATE, SECONDS = 500, 20  # events a second, for so long
LARGE = 20_000


# --- the console's own code, in this process


def set_up(database: str, data: Path, **settings: str) -> None:
    os.environ.update(
        {"DATABASE_URL": database, "CONSOLE_DATA": str(data), "DJANGO_SETTINGS_MODULE": "bigpanda_site.settings"}
    )
    os.environ.update(settings)
    import django

    django.setup()
    import logging

    logging.disable(logging.INFO)


def tags_of(draw: random.Random, host: str, number: int) -> dict[str, Any]:
    return {
        "host": host,
        "check": f"check-{number}",
        "cluster": f"cluster-{draw.randrange(400)}",
        "site": f"site-{draw.randrange(60)}",
        "team": f"team-{draw.randrange(30)}",
        "description": "CPU is above upper limit (70 percent)",
        "runbook": "https://wiki.example.com/runbooks/cpu",
    }


def store(alerts: int, run: str) -> None:
    """Store new alerts of ten checks per host as the Alerts API does, and leave them behind."""
    from alerts.ingest.ingest import ingesting
    from alerts.sources import bigpanda
    from appkeys.models import AppKey
    from db import transactions

    draw = random.Random(run)
    app_key = AppKey.objects.first() or AppKey.issue(name="bench")[0]
    for start in range(0, alerts, 2_000):
        now = datetime.now(UTC)
        items = [
            {"status": "critical", **tags_of(draw, f"{run}-host-{number // 10}", number % 10)}
            for number in range(start, min(start + 2_000, alerts))
        ]
        events = [(app_key, bigpanda.normalize(item, received_at=now)) for item in items]
        transactions.carry_out(ingesting(events, received_at=now))


def install_patterns(count: int) -> None:
    """Install patterns. The first groups by host. Of the others every fifth looks at all alerts, and the rest at one team or at rare tags."""
    from incidents.models import CorrelationPattern

    CorrelationPattern.objects.update(active=False, deleted_at=datetime.now(UTC))
    for place in range(count):
        kind = place % 5
        tags = (
            ["host"]
            if place == 0
            else ["cluster", "check"]
            if kind == 0
            else ["site", "check"]
            if kind < 3
            else ["rack"]
        )
        query = f"team = team-{place}" if kind in (1, 2) else ""
        CorrelationPattern.objects.create(tags=tags, time_window=30, filter=query, position=place)


def work_off() -> int:
    """Correlate the backlog as a worker that never pauses in a storm."""
    from incidents.correlation import worker as correlation_worker

    total = 0
    while count := correlation_worker.correlate_batch():
        total += count
    return total


class Worker:
    """A process that correlates the backlog on command."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.correlation", "--worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()

    def _read(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline()

    def begin(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def end(self) -> int:
        return int(self._read())

    def stop(self) -> None:
        self.process.communicate()


def serve() -> None:
    import django

    django.setup()
    import logging

    logging.disable(logging.INFO)
    work_off()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(work_off(), flush=True)


# --- rate


def measure_rate(options: argparse.Namespace) -> None:
    print(f"{'open alerts':>11} {'patterns':>8} {'1 worker/s':>11} {'2 workers/s':>12} {'us of CPU':>10} {'others':>7}")
    filled = 0
    workers = [Worker(), Worker()]
    for open_alerts in OPEN_ALERTS:
        if open_alerts > filled:
            install_patterns(1)
            store(open_alerts - filled, f"open-{open_alerts}")
            work_off()
            filled = open_alerts
        for patterns in PATTERNS:
            install_patterns(patterns)
            (one, used), (two, _) = (_rate(workers[:count], f"{open_alerts}-{patterns}-{count}") for count in (1, 2))
            costs = f"{used['cpu'] / one * 1e6:10,.0f} {used['other']:7.1f}"
            print(f"{open_alerts:11,} {patterns:8} {one:11,.0f} {two:12,.0f} {costs}", flush=True)
    for worker in workers:
        worker.stop()


def _rate(workers: list[Worker], run: str) -> tuple[float, dict[str, float]]:
    """Return the alerts per second, and the CPU of the workers and the database."""
    store(BEHIND, run)
    used = CpuAndMemory([*(worker.process.pid for worker in workers), _database()])
    began = time.monotonic()
    for worker in workers:
        worker.begin()
    done = sum(worker.end() for worker in workers)
    assert done == BEHIND, done
    return BEHIND / (time.monotonic() - began), used.end()


def _database() -> int:
    """Return the first process of the server, the parent of all others."""
    from django.db import connection

    status = Path(f"/proc/{connection.connection.info.backend_pid}/status").read_text()
    return int(status.split("PPid:")[1].split()[0])


# --- large


def measure_large(options: argparse.Namespace) -> None:
    from django.conf import settings

    from incidents.models import Incident

    settings.ALERTS_PER_INCIDENT = LARGE * 2
    install_patterns(1)
    from alerts.ingest.ingest import ingesting
    from alerts.sources import bigpanda
    from appkeys.models import AppKey
    from db import transactions

    app_key = AppKey.objects.first() or AppKey.issue(name="bench")[0]

    def send(first: int, count: int) -> None:
        now = datetime.now(UTC)
        items = [
            {"status": "critical", "host": "large", "check": f"c{number}"} for number in range(first, first + count)
        ]
        transactions.carry_out(
            ingesting([(app_key, bigpanda.normalize(item, received_at=now)) for item in items], received_at=now)
        )

    for start in range(0, LARGE, 2_000):
        send(start, 2_000)
    work_off()
    assert Incident.objects.filter(alerts_count=LARGE).exists()
    times = []
    for number in range(50):
        send(LARGE + number, 1)
        began = time.monotonic()
        assert work_off() == 1
        times.append((time.monotonic() - began) * 1000)
    times.sort()
    print(f"one more alert in an incident of {LARGE:,}: {statistics.median(times):.1f} ms, p95 {times[47]:.1f} ms")


# --- seen


def measure_seen(database: str, data: Path) -> None:
    with RunningConsole(data, settings={"DATABASE_URL": database}) as console:
        token, app_key = (
            console.manage("create_org_token", "seen", "--all-app-keys"),
            console.manage("create_app_key", "seen"),
        )
        answered: dict[str, float] = {}
        seen: dict[str, float] = {}
        is_over = threading.Event()
        watcher = threading.Thread(target=_watch, args=(database, seen, is_over))
        watcher.start()
        senders = [
            threading.Thread(target=_send, args=(console.url, token, app_key, place, answered))
            for place in range(SENDERS)
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        deadline = time.monotonic() + 30
        while len(seen.keys() & answered.keys()) < len(answered) and time.monotonic() < deadline:
            time.sleep(0.1)
        is_over.set()
        watcher.join()
    delays = sorted(max(0.0, seen[host] - answered[host]) for host in answered if host in seen)
    p50, p95, p99 = (delays[int(len(delays) * share)] * 1000 for share in (0.5, 0.95, 0.99))
    lost = len(answered) - len(delays)
    print(
        f"accepted to seen at {RATE} events/s, {len(answered):,} events: p50 {p50:.0f} ms, p95 {p95:.0f} ms, p99 {p99:.0f} ms"
        f" (+ at most 250 ms until a page is nudged again), not seen {lost}"
    )


SENDERS = 10


def _send(url: str, token: str, app_key: str, place: int, answered: dict[str, float]) -> None:
    """Send this thread's share of the rate at an even pace."""
    began = time.monotonic()
    for number in range(RATE * SECONDS // SENDERS):
        due = began + number * SENDERS / RATE
        time.sleep(max(0.0, due - time.monotonic()))
        host = f"seen-{place}-{number}"
        body = {"app_key": app_key, "status": "critical", "host": host, "check": "c", "cluster": f"k{number % 50}"}
        request = urllib.request.Request(
            url + "/data/v2/alerts", json.dumps(body).encode(), {"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=30) as reply:
            assert reply.status == 201
        answered[host] = time.monotonic()


def _watch(database: str, seen: dict[str, float], is_over: threading.Event) -> None:
    import psycopg

    with psycopg.connect(database, autocommit=True) as connection:
        last = 0  # what has a smaller key was seen; of two writers one may commit a key later than the other its larger one
        while not is_over.wait(0.02):
            rows = connection.execute(
                "SELECT id, tags ->> 'host' FROM alerts_alert WHERE id > %s AND incident_id IS NOT NULL ORDER BY id",
                [last],
            ).fetchall()
            now = time.monotonic()
            for _, host in rows:
                seen.setdefault(host, now)
            behind = connection.execute(
                "SELECT min(id) FROM alerts_alert WHERE revision > correlated_revision"
            ).fetchone()
            if rows:
                lately = int((time.time() - 0.5) * 1e6) << 9  # as alerts.models.key_at
                last = min(rows[-1][0], lately, (behind[0] if behind and behind[0] else rows[-1][0] + 1) - 1)


# --- replay


def measure_replay(options: argparse.Namespace) -> None:
    """Fill a week of alerts with five events each, ten per host and hour, as correlation would have recorded them, and replay it."""
    from django.db import connection

    from appkeys.models import AppKey
    from incidents.models import CorrelationPattern, ReplayRun
    from incidents.replay import runs

    AppKey.issue(name="replay")
    install_patterns(3)
    pattern = CorrelationPattern.objects.filter(active=True).first()
    assert pattern
    alerts = options.events // 5
    until = datetime.now(UTC).replace(microsecond=0)
    since = until - timedelta(days=7)
    with connection.cursor() as cursor:
        for statement in REPLAYED:
            cursor.execute(
                statement,
                {
                    "alerts": alerts,
                    "since": since,
                    "step": 7 * 86400 / alerts,
                    "patterns": json.dumps([[pattern.pk, pattern.version]]),
                },
            )
    for share in (4, 1):
        run = ReplayRun.objects.create(since=since, until=since + (until - since) / share)
        began = time.monotonic()
        runs.replay_run(run.pk)
        took = time.monotonic() - began
        run.refresh_from_db()
        assert run.result, run.error
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"replay of {run.result['events']:,} events, {run.result['alerts']:,} alerts, {run.result['incidents_after']:,} incidents:"
            f" {took:.1f} s, {run.result['events'] / took:,.0f} events/s, peak memory {peak:.0f} MiB",
            flush=True,
        )


# Alert n begins n steps into the week; its events follow ten minutes apart. One batch holds the alerts of one minute.
REPLAYED = [
    """
    CREATE TEMP TABLE made AS SELECT n, %(since)s::timestamptz + n * %(step)s * interval '1 second' AS at,
      ((extract(epoch FROM %(since)s::timestamptz) + n * %(step)s) * 1e6)::bigint << 9 AS key,
      jsonb_build_object('host', 'host-' || (n / 10), 'check', 'check-' || (n %% 10), 'cluster', 'cluster-' || (n %% 500),
        'site', 'site-' || (n %% 60), 'description', 'CPU is above upper limit (70 percent)') AS tags
    FROM generate_series(0, %(alerts)s - 1) n
    """,
    """
    INSERT INTO alerts_alert (id, app_key_id, identity, identifier, life, is_current, status, severity, tags, primary_property,
      secondary_property, notes, started_at, changed_at, last_event_at, revision, correlated_revision, status_changes)
    SELECT key, (SELECT min(id) FROM appkeys_appkey), gen_random_uuid(), 'alert ' || n, 1, true, 4, 4, tags, 'host', 'check', '[]', at, at,
      at + interval '40 minutes', 5, 5, '[]' FROM made
    """,
    """
    INSERT INTO alerts_event (id, alert_id, kind, status, tags, occurred_at, received_at, revision)
    SELECT key + e * 600000000::bigint * 512 + n %% 512, key, 0, CASE e %% 2 WHEN 0 THEN 4 ELSE 0 END, tags, at + e * interval '10 minutes',
      at + e * interval '10 minutes', e + 1 FROM made CROSS JOIN generate_series(0, 4) e
    """,
    """
    INSERT INTO incidents_turn (at, seen, maintenance, patterns, by_hand)
    SELECT minute + interval '1 minute', jsonb_agg(jsonb_build_array(key, e, e + 1) ORDER BY key), '[]', %(patterns)s::jsonb, '[]'
    FROM (SELECT key, e, date_trunc('minute', at + e * interval '10 minutes') AS minute FROM made CROSS JOIN generate_series(0, 4) e) looks
    GROUP BY minute ORDER BY minute
    """,
    "DROP TABLE made",
    "ANALYZE",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="rate,seen,large,replay")
    parser.add_argument("--events", type=int, default=1_000_000, help="of the replay")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        serve()
        return
    only = options.only.split(",")
    with contextlib.ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-correlation-")))
        if "seen" in only:
            with postgres.running(extra=()) as database:
                measure_seen(database, data / "seen")
        if parts := [part for part in ("rate", "large", "replay") if part in only]:
            for part in parts:
                with postgres.running(extra=()) as database:
                    command = [sys.executable, "-m", "bench.correlation"]
                    measure(part, database, data, options) if len(parts) == 1 else subprocess.run(
                        [*command, "--only", part, "--events", str(options.events)], check=True
                    )


def measure(part: str, database: str, data: Path, options: argparse.Namespace) -> None:
    set_up(database, data)
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    {"rate": measure_rate, "large": measure_large, "replay": measure_replay}[part](options)


if __name__ == "__main__":
    main()
