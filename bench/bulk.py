"""Measure how long a bulk resolve of thousands of incidents takes, and its undo, on PostgreSQL with default durability.

    python -m bench.bulk [--incidents 10000] [--alerts 2]

Each incident has `--alerts` active alerts. The parts are the frozen snapshot with its counts, the action in its sets,
and the undo. Correlation is idle.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tests import postgres

T = TypeVar("T")
CHUNK = 500  # events taken at once


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--incidents", type=int, default=10_000)
    options.add_argument("--alerts", type=int, default=2)
    asked = options.parse_args()
    with postgres.running([]) as url, tempfile.TemporaryDirectory() as data:
        environment = {"DATABASE_URL": url, "REDIS_URL": "", "CONSOLE_DATA": data}
        os.environ |= environment | {"DJANGO_SETTINGS_MODULE": "bigpanda_site.settings"}
        manage = str(Path(__file__).resolve().parent.parent / "manage.py")
        subprocess.run([sys.executable, manage, "migrate", "--verbosity", "0"], check=True)
        import django

        django.setup()
        measure(asked.incidents, asked.alerts)


def measure(incidents: int, alerts: int) -> None:
    from django.utils import timezone

    from alerts.events import IncomingEvent, Status
    from alerts.ingest import ingest
    from appkeys.models import AppKey
    from incidents.actions import Resolve, bulk
    from incidents.correlation.worker import correlate_behind
    from incidents.models import Incident
    from people.models import BuiltIn, Role, User

    app_key, _ = AppKey.issue(name="bench")
    person = User.objects.create_user("bench", role=Role.objects.get(built_in=BuiltIn.RESPONDER))
    events = [
        IncomingEvent.of(
            status=Status.CRITICAL,
            tags={"host": f"h{number}", "check": f"c{each}"},
            primary_property="host",
            secondary_property="check",
        )
        for number in range(incidents)
        for each in range(alerts)
    ]
    for start in range(0, len(events), CHUNK):
        now = timezone.now()
        ingest.ingest([(app_key, event) for event in events[start : start + CHUNK]], received_at=now)
    correlate_behind()
    count = Incident.objects.open().count()
    print(f"{count:,} open incidents, {len(events):,} alerts")
    drafted = timed("snapshot", lambda: bulk.draft("resolve", Incident.objects.open(), by=person))
    bulk.start(drafted, Resolve("bench"))
    timed("resolve", lambda: bulk.run(drafted.pk))
    drafted.refresh_from_db()
    print(f"done {drafted.done:,}, skipped {drafted.skipped_count:,}, still open {Incident.objects.open().count():,}")
    bulk.start_undo(drafted, by=person)
    timed("undo", lambda: bulk.run(drafted.pk))
    print(f"open again {Incident.objects.open().count():,}")


def timed(what: str, do: Callable[[], T]) -> T:
    began, cpu = time.monotonic(), time.process_time()
    result = do()
    print(f"{what:10} {time.monotonic() - began:6.2f} s, of them {time.process_time() - cpu:6.2f} s at work here")
    return result


if __name__ == "__main__":
    main()
