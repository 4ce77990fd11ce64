"""Alerts and their log in the database, read and written in sets.

Django's models define the tables (`alerts.models.alert`). The ORM would cost more than all rules of ingest together
(bench/ingest.py). Functions whose names end in -ing are transactions (`db.transactions`). `read`, `read_logs` and
`write` carry them out through Django's connection.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import Any

from alerts.ingest.alert_state import AlertState, NewAlert
from alerts.ingest.projection import LogLine, Projection
from db import pg_binary
from db.transactions import (
    Columns,
    Row,
    SetChange,
    Statement,
    Transactions,
    carry_out,
    is_postgresql,
    statements_of,
    unnested,
)

IDENTITIES_PER_QUERY = 10_000

# --- columns

_TYPES = {
    **dict.fromkeys(("id", "app_key_id", "alert_id", "undoes", "activity"), "bigint"),
    **dict.fromkeys(("identity", "last_content", "content"), "uuid"),
    **dict.fromkeys(("identifier", "primary_property", "secondary_property"), "text"),
    **dict.fromkeys(("status", "severity", "kind", "counted_status"), "smallint"),
    **dict.fromkeys(("tags", "notes", "status_changes"), "jsonb"),
    **dict.fromkeys(
        ("started_at", "changed_at", "ended_at", "last_event_at", "occurred_at", "received_at"), "timestamptz"
    ),
    **dict.fromkeys(("life", "seen_revision", "revision", "correlated_revision"), "integer"),
    "is_current": "boolean",
}


def _typed(names: Iterable[str]) -> Columns:
    return tuple((name, _TYPES[name]) for name in names)


# Columns of an alert, each with the attribute of AlertState that the column stores.
_PROJECTION = {each.name: f"projection.{each.name}" for each in fields(Projection)}
_STATE = _PROJECTION | {name: name for name in ("primary_property", "secondary_property", "notes", "is_current")}
_ALERT = {
    "id": "pk",
    "app_key_id": "app_key_pk",
    "identity": "identity",
    "identifier": "identifier",
    "life": "life",
    **_STATE,
}
_KNOWN = _STATE | {"id": "pk", "seen_revision": "seen_revision"}
# A manual change updates the counts of the incident in the same transaction.
_KNOWN_AND_COUNTED = _KNOWN | {"counted_status": "projection.status", "correlated_revision": "correlated_revision"}

# The fields of NewAlert in their order.
_NEW_ALERT = _typed(
    (
        *("id", "app_key_id", "identity", "identifier", "status", "tags", "content", "occurred_at"),
        *("primary_property", "secondary_property", "received_at"),
    )
)
_LOG_LINE_NAMES = (
    *("id", "alert_id", "kind", "status", "tags", "content", "occurred_at", "received_at", "undoes", "activity"),
    "revision",
)
_LOG_LINE = _typed(_LOG_LINE_NAMES)

# --- read

_NEWEST_EVENT = _typed(("identity", "last_content", "last_event_at"))
_READ = _typed(dict.fromkeys(("identity", "last_content", "last_event_at", *_ALERT, "revision")))


@dataclass(slots=True)
class StoredAlert:
    """An alert as read. Only what shows a duplicate is decoded until `state` is called."""

    identity: str
    last_content: str | None
    last_event_at: datetime
    row: Row

    @classmethod
    def of(cls, row: Row) -> StoredAlert:
        identity, last_content, last_event_at = _decoded(row[:3], _NEWEST_EVENT)
        return cls(identity, last_content, last_event_at, row)

    def state(self) -> AlertState:
        value = {name: each for (name, _), each in zip(_READ, _decoded(self.row, _READ), strict=True)}
        return AlertState(
            pk=value["id"],
            app_key_pk=value["app_key_id"],
            identity=value["identity"],
            identifier=value["identifier"],
            life=value["life"],
            primary_property=value["primary_property"],
            secondary_property=value["secondary_property"],
            projection=Projection(**{name: value[name] for name in _PROJECTION}),
            notes=value["notes"],
            is_current=value["is_current"],
            seen_revision=value["revision"],
        )


def reading_current(identities: Iterable[str]) -> Transactions[dict[str, StoredAlert]]:
    """Return the current alerts of identities, by identity."""
    wanted = list(identities)
    found: dict[str, StoredAlert] = {}
    for start in range(0, len(wanted), IDENTITIES_PER_QUERY):
        rows = yield [_by_identity(wanted[start : start + IDENTITIES_PER_QUERY], "a.is_current")]
        for row in rows:
            stored = StoredAlert.of(row)
            found[stored.identity] = stored
    return found


def reading_former(identity: str) -> Transactions[list[AlertState]]:
    """Return the alerts of an identity before the current one, the oldest first."""
    rows = yield [_by_identity([identity], "NOT a.is_current")]
    return sorted((StoredAlert.of(row).state() for row in rows), key=lambda alert: alert.life)


def reading_logs(alert_pks: Sequence[int]) -> Transactions[dict[int, list[LogLine]]]:
    """Return the whole logs of alerts, by alert."""
    logs: dict[int, list[LogLine]] = {pk: [] for pk in alert_pks}
    sql = f"SELECT {', '.join(_LOG_LINE_NAMES)} FROM alerts_event WHERE alert_id IN (SELECT * FROM {_listed('bigint')})"
    rows = yield [Statement(sql, (_list(alert_pks),))]
    for row in rows:
        pk, alert_pk, kind, status, tags, content, occurred_at, received_at, undoes, activity, _ = _decoded(
            row, _LOG_LINE
        )
        logs[alert_pk].append(LogLine(pk, status, tags, content, occurred_at, received_at, kind, undoes, activity))
    return logs


def read(alert_pks: Sequence[int]) -> list[AlertState]:
    """Return alerts, sorted by key. A caller that changes them holds their locks."""
    sql = (
        f"SELECT {_read_columns()} FROM alerts_alert a WHERE a.id IN (SELECT * FROM {_listed('bigint')}) ORDER BY a.id"
    )
    return [StoredAlert.of(row).state() for row in carry_out(_reading(Statement(sql, (_list(alert_pks),))))]


def read_logs(alert_pks: Sequence[int]) -> dict[int, list[LogLine]]:
    """Return the whole logs of alerts, by alert."""
    return carry_out(reading_logs(alert_pks))


def _reading(statement: Statement) -> Transactions[list[Row]]:
    return (yield [statement])


# On PostgreSQL, a lateral look-up per identity can only be an index scan. A plan for a join would be made for a small
# table and kept while the table grows.
_LATERAL = "LATERAL (SELECT * FROM alerts_alert a WHERE a.identity = {identity} AND {condition} OFFSET 0) a"


def _by_identity(identities: Sequence[str], condition: str) -> Statement:
    if is_postgresql():
        alert = _LATERAL.format(identity="wanted.value", condition=condition)
    else:
        alert = f"alerts_alert a ON a.identity = wanted.value AND {condition}"
    return Statement(f"SELECT {_read_columns()} FROM {_listed('uuid')} CROSS JOIN {alert}", (_list(identities),))


def _read_columns() -> str:
    return ", ".join(f"a.{name}" for name, _ in _READ)


def _listed(kind: str) -> str:
    """Return a source of rows from the one parameter of a query, which `_list` makes."""
    return f"unnest($1::{kind}[]) AS wanted(value)" if is_postgresql() else "(SELECT value FROM json_each(?)) AS wanted"


def _list(wanted: Sequence[Any]) -> str:
    # The values are hexadecimal texts and integers, which need no quotes in an array.
    return "{" + ",".join(map(str, wanted)) + "}" if is_postgresql() else json.dumps(wanted)


def _decoded(row: Row, columns: Columns) -> list[Any]:
    """Return values as the rules of ingest use them: identities in hexadecimal, JSON as text, times in UTC."""
    return [None if value is None else decode(value) for decode, value in zip(_decoders(columns), row, strict=True)]


@cache
def _decoders(columns: Columns) -> list[Callable[[Any], Any]]:
    decoders = pg_binary.READERS if is_postgresql() else _SQLITE_READERS
    return [decoders[type_] for _, type_ in columns]


def _unchanged(value: Any) -> Any:
    return value


_SQLITE_READERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("bigint", "integer", "smallint", "uuid", "text", "jsonb"), _unchanged),
    "boolean": bool,
    "timestamptz": lambda value: value.replace(tzinfo=UTC),  # Django's converter has made a datetime of the text
}


# --- write


def writing_unknown(new: Sequence[NewAlert]) -> Transactions[bool]:
    """Write new alerts if no identity among them has an alert. Return whether they were written.

    The look-up and the write are one statement. Only PostgreSQL has the statement: on SQLite there is no round trip to
    save.
    """
    parameters = pg_binary.arrays([type_ for _, type_ in _NEW_ALERT], list(zip(*new, strict=True)))
    return not (yield [Statement(_INSERT_UNKNOWN, tuple(parameters), writes=True)])


def writing(changed: list[AlertState], new: Sequence[NewAlert] = ()) -> Transactions[None]:
    """Write changed alerts, new alerts, and the new lines of their logs: all of them or none.

    Each write raises the revision of its alert, which marks the alert as behind correlation (docs/how-it-works.md
    §3.4). Raise WriteConflict where an alert no longer has the revision that was read, or where an identity already has
    a current alert.
    """
    changed.sort(key=lambda alert: alert.pk)  # Two writers that lock rows in the same order do not deadlock.
    known = [alert for alert in changed if alert.seen_revision]
    begun = [alert for alert in changed if not alert.seen_revision]
    if begun and not all(alert.is_current for alert in known):
        # A former alert gives up being current before its successor becomes current: a constraint allows one per
        # identity.
        yield [*statements_of(_changes(known, [], ())), *statements_of(_changes([], begun, new))]
    else:
        yield statements_of(_changes(known, begun, new))


def write(changed: list[AlertState]) -> None:
    """Write changed alerts through Django's connection, in its transaction."""
    if changed:
        carry_out(writing(changed))


def _changes(known: Sequence[AlertState], begun: Sequence[AlertState], new: Sequence[NewAlert]) -> list[SetChange]:
    """Return the changes of tables that write alerts, without those that have no rows."""
    columns, update = _KNOWN, _UPDATE
    if known and known[0].correlated_revision is not None:
        columns, update = _KNOWN_AND_COUNTED, _UPDATE_WITH_COUNT
    lines = [
        (
            *(line.pk, alert.pk, line.kind, line.status, line.tags, line.content, line.occurred_at, line.received_at),
            *(line.undoes, line.activity, alert.seen_revision + 1),
        )
        for alerts in (known, begun)
        for alert in alerts
        for line in alert.new_lines
    ]
    changes = (
        SetChange((update,), _typed(columns), _rows(known, columns), is_exact=True),
        SetChange((_INSERT,), _typed(_ALERT), _rows(begun, _ALERT)),
        SetChange((_INSERT_NEW, _INSERT_FIRST_LINE), _NEW_ALERT, new),
        SetChange((_INSERT_LINE,), _LOG_LINE, lines),
    )
    return [change for change in changes if change.rows]


def _rows(alerts: Sequence[AlertState], columns: dict[str, str]) -> list[Row]:
    return list(map(attrgetter(*columns.values()), alerts))


def _update_sql(columns: Iterable[str]) -> str:
    assigned = ", ".join(f"{name} = r.{name}" for name in columns if name not in ("id", "seen_revision"))
    return (
        f"UPDATE alerts_alert AS a SET {assigned}, revision = r.seen_revision + 1 FROM {{rows}}"
        " WHERE a.id = r.id AND a.revision = r.seen_revision"
    )


def _insert_sql(table: str, columns: Iterable[str], **expressions: str) -> str:
    """Return an insert of columns of `r`, and of further columns from expressions over `r`."""
    values = {name: name for name in columns} | expressions
    return f"INSERT INTO {table} ({', '.join(values)}) SELECT {', '.join(values.values())} FROM {{rows}}"


_UPDATE, _UPDATE_WITH_COUNT = _update_sql(_KNOWN), _update_sql(_KNOWN_AND_COUNTED)
_INSERT = _insert_sql("alerts_alert", _ALERT, revision="1", correlated_revision="0")
_INSERT_LINE = _insert_sql("alerts_event", _LOG_LINE_NAMES)
_INSERT_NEW = _insert_sql(
    "alerts_alert",
    ("id", "app_key_id", "identity", "identifier", "status", "tags", "primary_property", "secondary_property"),
    severity="status",
    started_at="occurred_at",
    changed_at="occurred_at",
    ended_at="CASE WHEN status = 0 THEN occurred_at END",
    last_event_at="occurred_at",
    last_content="content",
    status_changes="'[]'",
    notes="'[]'",
    life="1",
    is_current="true",
    revision="1",
    correlated_revision="0",
)
_INSERT_FIRST_LINE = _insert_sql(
    "alerts_event",
    ("id", "status", "tags", "content", "occurred_at", "received_at"),
    alert_id="id",
    kind="0",
    undoes="NULL",
    activity="NULL",
    revision="1",
)
_IF_UNKNOWN = "new AS r WHERE NOT EXISTS (SELECT FROM known)"
_INSERT_UNKNOWN = (
    f"WITH new AS MATERIALIZED (SELECT * FROM {unnested(_NEW_ALERT)}),"
    f" known AS MATERIALIZED (SELECT FROM new CROSS JOIN {_LATERAL.format(identity='new.identity', condition='a.is_current')}),"
    f" alerts AS ({_INSERT_NEW.format(rows=_IF_UNKNOWN)}), lines AS ({_INSERT_FIRST_LINE.format(rows=_IF_UNKNOWN)})"
    " SELECT 1 FROM known LIMIT 1"
)
