"""Stretches of alerts' logs, by the revisions that their lines came with: what somebody saw who looked at an alert then."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from django.db import connection

from alerts.ingest.projection import LogLine
from db.bulk import run


class RevisionSpan(NamedTuple):
    """Of one alert, the lines after one revision and up to another."""

    alert: int
    after: int
    until: int


class LoggedLine(NamedTuple):
    revision: int
    line: LogLine


_COLUMNS = "e.alert_id, e.revision, e.id, e.status, e.tags, e.kind, e.occurred_at, e.received_at, e.undoes, e.activity"  # in a Line's words


def read_spans(spans: Sequence[RevisionSpan]) -> dict[int, list[LoggedLine]]:
    """The lines of each span by alert, in the order they were stored; an alert stands in one span at most."""
    found: dict[int, list[LoggedLine]] = {span.alert: [] for span in spans}
    if connection.vendor == "postgresql":
        wanted = "unnest(%s::bigint[], %s::int[], %s::int[]) AS w(alert, after, until)"
        within = "e.alert_id = w.alert AND e.revision > w.after AND e.revision <= w.until"
        # Lateral, so that it can only be an index scan: a plan for a join would read the whole log for each stretch of it.
        sql = f"SELECT {_COLUMNS} FROM {wanted} CROSS JOIN LATERAL (SELECT * FROM alerts_event e WHERE {within} OFFSET 0) e"
        parameters = ["{" + ",".join(map(str, column)) + "}" for column in zip(*spans, strict=True)]
    else:
        columns = ("alert", "after", "until")
        values = ", ".join(f"json_extract(value, '$[{place}]') AS {name}" for place, name in enumerate(columns))
        wanted = f"(SELECT {values} FROM json_each(%s)) w"
        sql = f"SELECT {_COLUMNS} FROM {wanted} CROSS JOIN alerts_event e"
        sql += " ON e.alert_id = w.alert AND e.revision > w.after AND e.revision <= w.until"
        parameters = [json.dumps(spans)]
    for alert, revision, pk, status, tags, kind, occurred_at, received_at, undoes, activity in (
        run(sql, parameters).fetchall() if spans else ()
    ):
        times = _moment(occurred_at), _moment(received_at)
        found[alert].append(LoggedLine(revision, LogLine(pk, status, tags, None, *times, kind, undoes, activity)))
    for lines in found.values():
        lines.sort(key=lambda logged: (logged.revision, logged.line.pk))
    return found


def _moment(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)
