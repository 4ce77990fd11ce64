"""Parts of the logs of alerts, by revision: what was known of an alert at an earlier time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from alerts.ingest.projection import LogLine
from db.bulk import run
from db.transactions import is_postgresql


class RevisionSpan(NamedTuple):
    """The lines of one alert after one revision, up to and including another."""

    alert: int
    after: int
    until: int


class LoggedLine(NamedTuple):
    revision: int
    line: LogLine


_COLUMNS = "e.alert_id, e.revision, e.id, e.status, e.tags, e.kind, e.occurred_at, e.received_at, e.undoes, e.activity"


def read_spans(spans: Sequence[RevisionSpan]) -> dict[int, list[LoggedLine]]:
    """Return the lines of each span by alert, in the order of storing. An alert may have one span."""
    found: dict[int, list[LoggedLine]] = {span.alert: [] for span in spans}
    within = "e.alert_id = w.alert AND e.revision > w.after AND e.revision <= w.until"
    if is_postgresql():
        wanted = "unnest(%s::bigint[], %s::int[], %s::int[]) AS w(alert, after, until)"
        # The look-up is lateral, so that it can only be an index scan. A plan for a join would read the whole log for
        # each span.
        sql = f"SELECT {_COLUMNS} FROM {wanted} CROSS JOIN LATERAL (SELECT * FROM alerts_event e WHERE {within} OFFSET 0) e"
        parameters = ["{" + ",".join(map(str, column)) + "}" for column in zip(*spans, strict=True)]
    else:
        columns = ("alert", "after", "until")
        values = ", ".join(f"json_extract(value, '$[{place}]') AS {name}" for place, name in enumerate(columns))
        sql = f"SELECT {_COLUMNS} FROM (SELECT {values} FROM json_each(%s)) w CROSS JOIN alerts_event e ON {within}"
        parameters = [json.dumps(spans)]
    for alert, revision, pk, status, tags, kind, occurred_at, received_at, undoes, activity in (
        run(sql, parameters).fetchall() if spans else ()
    ):
        times = _in_utc(occurred_at), _in_utc(received_at)
        found[alert].append(LoggedLine(revision, LogLine(pk, status, tags, None, *times, kind, undoes, activity)))
    for lines in found.values():
        lines.sort(key=lambda logged: (logged.revision, logged.line.pk))
    return found


def _in_utc(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)
