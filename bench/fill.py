"""Fill a console's database for bench.feed: open incidents with alerts, resolved ones, one incident with very many alerts, and environments.

python -m bench.fill OPEN ALERTS RESOLVED ENVIRONMENTS
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from uuid import uuid4

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bigpanda_site.settings")
django.setup()

from django.db import connection, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from alerts.events import Status  # noqa: E402
from alerts.models import Alert, time_ordered_key  # noqa: E402
from appkeys.models import AppKey  # noqa: E402
from incidents import environments  # noqa: E402
from incidents.bpql import search_text  # noqa: E402
from incidents.models import Environment, Incident  # noqa: E402

BATCH = 5000
TEAMS, REGIONS = 40, 5
STATUSES = (Status.CRITICAL, Status.WARNING, Status.WARNING, Status.UNKNOWN)
BIG = 20_000


def main() -> None:
    open_ones, alerts, resolved, count = map(int, sys.argv[1:])
    keys = [AppKey.issue(name=f"Bench {number}")[0] for number in range(4)]
    per_incident = alerts // open_ones
    for start in range(0, open_ones, BATCH):
        with transaction.atomic():
            _open(range(start, min(start + BATCH, open_ones)), per_incident, keys)
    _resolve(resolved // open_ones, open_ones)
    with transaction.atomic():
        (big,) = _incidents(range(open_ones, open_ones + 1), min(BIG, alerts // 5))
        Alert.objects.bulk_create(_alerts(big, 0, big.alerts_count, keys), batch_size=BATCH)
    for number in range(count):
        query = f"team = team-{number}" if number % 2 else f"region = region-{number % REGIONS}"
        environments.begin_placing(Environment.objects.create(name=f"Bench {number}", query=query, group="Bench"))
    environments.place_all()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _open(numbers: range, per_incident: int, keys: list[AppKey]) -> None:
    incidents = _incidents(numbers, per_incident)
    Alert.objects.bulk_create(
        alert
        for number, incident in zip(numbers, incidents, strict=True)
        for alert in _alerts(incident, number, per_incident, keys)
    )


def _incidents(numbers: range, alerts: int) -> list[Incident]:
    now = timezone.now()
    rows = []
    for number in numbers:
        status = STATUSES[number % len(STATUSES)]
        title = f"node-{number}.region-{number % REGIONS}.example.com"
        counts = [0] * len(Status)
        counts[status] = alerts
        at = now - timedelta(seconds=number + 60)
        rows.append(
            Incident(
                status=status,
                severity=status,
                title=title,
                subtitle="check-1, check-2",
                search_text=title,
                alerts_count=alerts,
                active_count=alerts,
                status_counts=counts,
                sources=[f"Bench {number % 4}"],
                names=[[title], ["check-1", "check-2"]],
                shared_tags=_tags(number),
                started_at=at,
                changed_at=at,
            )
        )
    return Incident.objects.bulk_create(rows)


def _tags(number: int) -> dict[str, str | list[str]]:
    return {
        "host": f"node-{number}.region-{number % REGIONS}.example.com",
        "team": f"team-{number % TEAMS}",
        "region": f"region-{number % REGIONS}",
        "runbook": f"https://wiki.example.com/runbooks/{number % 100}",
    }


def _alerts(incident: Incident, number: int, count: int, keys: list[AppKey]) -> list[Alert]:
    rows = []
    for place in range(count):
        tags = {**_tags(number), "check": f"check-{place}", "description": f"Utilisation is {place % 100} percent"}
        rows.append(
            Alert(
                id=time_ordered_key(),
                app_key=keys[number % len(keys)],
                identity=uuid4(),
                identifier=f"host={tags['host']} check=check-{place}",
                status=incident.status,
                severity=incident.status,
                tags=tags,
                search_text=search_text(tags),
                primary_property="host",
                secondary_property="check",
                started_at=incident.started_at,
                changed_at=incident.changed_at,
                last_event_at=incident.changed_at,
                correlated_revision=1,
                incident=incident,
                counted_status=incident.status,
            )
        )
    return rows


def _resolve(times: int, open_ones: int) -> None:
    """Copies of the open incidents, resolved one after the other in the past."""
    kept = [str(field.column) for field in Incident._meta.concrete_fields if field.name not in ("id", "is_nobodys")]
    values = {"status": "0", "active_count": "0", "resolved_at": _before("n.n")}
    columns, selected = ", ".join(kept), ", ".join(values.get(column, f"i.{column}") for column in kept)
    with connection.cursor() as cursor:
        for turn in range(times):
            cursor.execute(
                f"INSERT INTO incidents_incident ({columns}) SELECT {selected} FROM incidents_incident i "
                f"CROSS JOIN (SELECT {turn + 1} AS n) n WHERE i.resolved_at IS NULL AND i.id <= {open_ones * 2}"
            )


def _before(days: str) -> str:
    if connection.vendor == "postgresql":
        return f"i.changed_at - {days} * interval '1 day'"
    return f"strftime('%Y-%m-%d %H:%M:%f', i.changed_at, '-' || {days} || ' days')"


if __name__ == "__main__":
    main()
