"""Fill a console's database for bench.feed: open incidents, many resolved incidents, one incident with very many alerts, and environments.

    python -m bench.fill OPEN ALERTS RESOLVED BIG

Open incidents are sent and correlated as in production. Resolved incidents are copies of them from earlier days, each
with its first alert and its history.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bigpanda_site.settings")
os.environ["CONSOLE_ALERTS_PER_INCIDENT"] = "1000000"
django.setup()

from django.db import connection, models, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from alerts.events import IncomingEvent, Status, Tags  # noqa: E402
from alerts.ingest import ingest  # noqa: E402
from alerts.models import Alert, Event, key_at  # noqa: E402
from appkeys.models import AppKey  # noqa: E402
from incidents.correlation.worker import correlate_behind  # noqa: E402
from incidents.environments import placement  # noqa: E402
from incidents.models import Activity, Environment, Incident, Matcher  # noqa: E402

TEAMS, REGIONS, SOURCES, ENVIRONMENTS = 40, 5, 4, 20
STATUSES = (Status.CRITICAL, Status.WARNING, Status.WARNING, Status.UNKNOWN)
CHUNK = 1000  # events taken at once
HOUR = timedelta(hours=1)


def main() -> None:
    open_ones, alerts, resolved, big = map(int, sys.argv[1:])
    logging.disable(logging.INFO)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = off")
    keys = [AppKey.issue(name=f"Bench {number}")[0] for number in range(SOURCES)]
    with told("open"):
        _send(keys, open_ones, alerts // open_ones)
    with told("resolved"), transaction.atomic():
        last = Incident.objects.order_by("pk").values_list("pk", flat=True).last() or 0
        for day in range(1, resolved // open_ones + 1):
            _resolve_copies(day, upto=last)
    with told("big"):
        _send_big(keys[0], big)
    for number in range(ENVIRONMENTS):
        query = f"team = team-{number}" if number % 2 else f"region = region-{number % REGIONS}"
        placement.mark_unplaced(Environment.objects.create(name=f"Bench {number}", query=query, group="Bench"))
    with told("placed"):
        placement.place_unplaced()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@contextmanager
def told(part: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    print(f"    {part:10} {time.monotonic() - began:6.1f} s", flush=True)


def _send(keys: list[AppKey], incidents: int, alerts_each: int) -> None:
    now = timezone.now()
    sent = []
    for number in range(incidents):
        host, region = f"node-{number}.region-{number % REGIONS}.example.com", f"region-{number % REGIONS}"
        shared = {"host": host, "team": f"team-{number % TEAMS}", "region": region}
        shared["runbook"] = f"https://wiki.example.com/runbooks/{number % 100}"
        for place in range(alerts_each):
            tags: Tags = {**shared, "check": f"check-{place}", "description": f"Utilisation is {place % 100} percent"}
            status = STATUSES[number % len(STATUSES)]
            at = now - timedelta(seconds=number + 60)
            sent.append((keys[number % SOURCES], _event(status, tags, at)))
        if len(sent) >= CHUNK or number == incidents - 1:
            ingest.ingest(sent, received_at=now)
            sent = []
    correlate_behind()


def _send_big(key: AppKey, alerts: int) -> None:
    """Send the alerts of the big incident, all of one host. Each becomes worse and better again."""
    now = timezone.now()
    for minutes, status in ((30, Status.WARNING), (20, Status.CRITICAL), (10, Status.WARNING)):
        for start in range(0, alerts, CHUNK):
            events = [
                _event(
                    Status.OK if minutes == 10 and number % 4 == 0 else status,
                    {
                        "host": "storage.example.com",
                        "check": f"volume-{number}",
                        "team": "team-1",
                        "description": f"Volume {number} has {number % 100} percent left",
                        "dashboard": f"https://grafana.example.com/d/{number}",
                    },
                    now - timedelta(minutes=minutes, seconds=number % 300),
                )
                for number in range(start, min(start + CHUNK, alerts))
            ]
            ingest.ingest([(key, event) for event in events], received_at=now)
        correlate_behind()


def _event(status: Status, tags: Tags, at: datetime) -> IncomingEvent:
    return IncomingEvent.of(
        status=status, tags=tags, primary_property="host", secondary_property="check", occurred_at=at
    )


def _resolve_copies(day: int, *, upto: int) -> None:
    """Copy the open incidents to that many days ago, resolved after an hour."""
    keys = (key_at(timezone.now()) - key_at(timezone.now() - HOUR)) // 512 * 512  # as many as an hour has
    here, alert_key = f"i.id + {day * upto}", f"a.id - {day * 24 * keys}"
    began, ended = _ago(day * 24), _ago(day * 24 - 1)
    incident = {
        "id": here,
        "status": "0",
        "active_count": "0",
        "alerts_count": "1",
        "status_counts": "'[1, 0, 0, 0, 0]'",
        "started_at": began.format("i.started_at"),
        "changed_at": ended.format("i.changed_at"),
        "resolved_at": ended.format("i.changed_at"),
        "first_alert": f"i.first_alert - {day * 24 * keys}",
    }
    alert = {
        "id": alert_key,
        "incident_id": here,
        "is_current": "false",
        "life": str(1000 - day),
        "status": "0",
        "counted_status": "0",
        "started_at": began.format("a.started_at"),
        "changed_at": ended.format("a.changed_at"),
        "ended_at": ended.format("a.changed_at"),
        "last_event_at": ended.format("a.last_event_at"),
    }
    begun = {
        "alert_id": alert_key,
        "occurred_at": began.format("e.occurred_at"),
        "received_at": began.format("e.received_at"),
    }
    over = {
        **begun,
        "status": "0",
        "occurred_at": ended.format("e.occurred_at"),
        "received_at": ended.format("e.received_at"),
    }
    of_incident = f"FROM incidents_incident i {{}} WHERE i.id <= {upto} ORDER BY i.id"
    alerts = "JOIN alerts_alert a ON a.id = i.first_alert"
    _copy(Incident, "i", incident, of_incident.format(""))
    _copy(Alert, "a", alert, of_incident.format(alerts))
    for told, shift in ((begun, day * 24 * keys), (over, (day * 24 - 1) * keys)):
        with_events = f"{alerts} JOIN alerts_event e ON e.alert_id = a.id"
        _copy(Event, "e", {**told, "id": f"e.id - {shift}"}, of_incident.format(with_events))
    for kind, at in ((Activity.Kind.CREATED, began), (Activity.Kind.RESOLVED_BY_ALERTS, ended)):
        told = {"incident_id": here, "kind": f"'{kind}'", "at": at.format("t.at")}
        origin = f"JOIN incidents_activity t ON t.incident_id = i.id AND t.kind = '{Activity.Kind.CREATED}'"
        _copy(Activity, "t", told, of_incident.format(origin), without="id")
    matcher = {"incident_id": here, "open": "false", "anchor_at": began.format("m.anchor_at")}
    origin = "JOIN incidents_matcher m ON m.incident_id = i.id"
    _copy(Matcher, "m", matcher, of_incident.format(origin), without="id")


def _copy(model: type[models.Model], alias: str, changes: dict[str, str], source: str, *, without: str = "") -> None:
    fields = [field for field in model._meta.local_concrete_fields if not field.generated]
    columns = [str(field.column) for field in fields if field.column != without]
    told = ", ".join(changes.get(column, f'{alias}."{column}"') for column in columns)
    listed = ", ".join(f'"{column}"' for column in columns)  # one is called “values”
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {model._meta.db_table} ({listed}) SELECT {told} {source}")
        if connection.vendor == "postgresql" and not without and model is Incident:
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence('incidents_incident', 'id'), max(id)) FROM incidents_incident"
            )


def _ago(hours: int) -> str:
    """Return an SQL expression for the time in a column, moved back by that many days."""
    if connection.vendor == "postgresql":
        return f"{{}} - interval '{hours} hours'"
    return f"strftime('%Y-%m-%d %H:%M:%f', {{}}, '-{hours} hours')"


if __name__ == "__main__":
    main()
