"""Reading and writing alerts and their log as sets, in SQL of our own: the ORM would cost more than all rules together (bench/ingest.py).

Both databases hold the same rows; Django's models (alerts.models) define them. What is here are steps (db.transactions); `read`, `read_logs` and
`write` carry them out through Django's connection.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerts.ingest import statements
from alerts.ingest.alert_state import AlertState, NewAlert
from alerts.ingest.projection import LogLine, Projection
from alerts.ingest.statements import LINE, is_postgresql, values
from db.transactions import Row, Statement, Transactions, carry_out

IDENTITIES_PER_QUERY = 10_000
# fmt: off
_NEWEST = ("identity", "last_content", "last_event_at")  # what tells a repeat
_READ = (
    *_NEWEST, "id", "app_key_id", "identifier", "life", "primary_property", "secondary_property",
    "status", "severity", "tags", "started_at", "changed_at", "ended_at", "status_changes", "notes", "is_current", "revision",
)
# fmt: on


@dataclass(slots=True)
class StoredAlert:
    """An alert as read, made into a life only where more than its newest event is needed."""

    identity: str
    last_content: str | None
    last_event_at: datetime
    row: Row

    @classmethod
    def of(cls, row: Row) -> StoredAlert:
        identity, last_content, last_event_at = values(row[:3], _NEWEST)
        return cls(identity, last_content, last_event_at, row)

    def life(self) -> AlertState:
        told = values(self.row, _READ)
        identity, last_content, last_event_at, pk, app_key_pk, identifier, life, primary, secondary = told[:9]
        status, severity, tags, started_at, changed_at, ended_at, changes, notes, is_current, revision = told[9:]
        projection = Projection(
            *(status, severity, tags, started_at, changed_at, ended_at, last_event_at, last_content, changes)
        )
        return AlertState(
            *(pk, app_key_pk, identity, identifier, life, primary, secondary, projection),
            notes=notes,
            is_current=is_current,
            seen_revision=revision,
        )


# --- read


def reading_current(identities: Iterable[str]) -> Transactions[dict[str, StoredAlert]]:
    """The current lives of these identities, by identity."""
    wanted = list(identities)
    found: dict[str, StoredAlert] = {}
    for start in range(0, len(wanted), IDENTITIES_PER_QUERY):
        rows = yield [_by_identity(wanted[start : start + IDENTITIES_PER_QUERY], "a.is_current")]
        for row in rows:
            stored = StoredAlert.of(row)
            found[stored.identity] = stored
    return found


def reading_former(identity: str) -> Transactions[list[AlertState]]:
    """The lives of an identity before the current one, the oldest first."""
    rows = yield [_by_identity([identity], "NOT a.is_current")]
    return sorted((StoredAlert.of(row).life() for row in rows), key=lambda life: life.life)


def reading_logs(alert_pks: Sequence[int]) -> Transactions[dict[int, list[LogLine]]]:
    logs: dict[int, list[LogLine]] = {pk: [] for pk in alert_pks}
    sql = f"SELECT {', '.join(LINE)} FROM alerts_event WHERE alert_id IN (SELECT * FROM {_listed('bigint')})"
    rows = yield [Statement(sql, (_list(alert_pks),))]
    for row in rows:
        pk, alert_pk, kind, status, tags, content, occurred_at, received_at, undoes, activity, _ = values(row, LINE)
        logs[alert_pk].append(LogLine(pk, status, tags, content, occurred_at, received_at, kind, undoes, activity))
    return logs


def read(alert_pks: Sequence[int]) -> list[AlertState]:
    """These alerts; who changes them by hand has locked them."""
    sql = f"SELECT {_columns()} FROM alerts_alert a WHERE a.id IN (SELECT * FROM {_listed('bigint')}) ORDER BY a.id"
    return [StoredAlert.of(row).life() for row in carry_out(_reading(Statement(sql, (_list(alert_pks),))))]


def read_logs(alert_pks: Sequence[int]) -> dict[int, list[LogLine]]:
    """The whole logs of these alerts, by alert."""
    return carry_out(reading_logs(alert_pks))


def _reading(statement: Statement) -> Transactions[list[Row]]:
    return (yield [statement])


def _by_identity(identities: Sequence[str], condition: str) -> Statement:
    if is_postgresql():
        # A lateral look-up per identity can only be an index scan: a plan for a join is made for a small table and kept while the table grows.
        alert = f"LATERAL (SELECT * FROM alerts_alert a WHERE a.identity = wanted.value AND {condition} OFFSET 0) a"
    else:
        alert = f"alerts_alert a ON a.identity = wanted.value AND {condition}"
    return Statement(f"SELECT {_columns()} FROM {_listed('uuid')} CROSS JOIN {alert}", (_list(identities),))


def _columns() -> str:
    return ", ".join(f"a.{name}" for name in _READ)


def _listed(kind: str) -> str:
    """The one parameter of a query as rows of one column."""
    return f"unnest($1::{kind}[]) AS wanted(value)" if is_postgresql() else "(SELECT value FROM json_each(?)) AS wanted"


def _list(wanted: Sequence[Any]) -> str:
    # There are only hexadecimal texts and integers among them.
    return "{" + ",".join(map(str, wanted)) + "}" if is_postgresql() else json.dumps(wanted)


# --- write


def beginning(firsts: Sequence[NewAlert]) -> Transactions[bool]:
    """Write alerts of which none is known, as far as one can guess; says whether the guess was right, else nothing was written.

    So a look-up and a write are one way to the server and back. PostgreSQL alone: on SQLite there is no way to save.
    """
    return not (yield [statements.beginning(firsts)])


def writing(lives: list[AlertState], firsts: Sequence[NewAlert] = ()) -> Transactions[None]:
    """Write what changed, and first alerts, with the mark that correlation is behind: all of it or nothing.

    A known alert is written only in the revision it was read in; a new life of an identity that has a current one already violates a constraint.
    Either way Contested is raised, and the caller begins anew.
    """
    lives.sort(key=lambda life: life.pk)  # so that two writers do not wait for each other
    known = [life for life in lives if life.seen_revision]
    begun = [life for life in lives if not life.seen_revision]
    # Former lives are put aside before new ones begin, since of an identity one alone is current.
    if known and begun and not all(life.is_current for life in lives):
        yield [*statements.writing(known, []), *statements.writing([], begun, firsts)]
    else:
        yield statements.writing(known, begun, firsts)


def write(lives: list[AlertState]) -> None:
    """Alerts that changed, through Django's connection, in its transaction."""
    if lives:
        carry_out(writing(lives))
