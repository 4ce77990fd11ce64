"""Reading and writing alerts and their log as sets, in SQL of our own: the ORM would cost more than all rules together (bench/ingest.py).

Both databases hold the same rows; Django's models (alerts.models) define them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection

from alerts.events import encode_tags
from alerts.folding import Folded, Line
from alerts.lives import Life

IDENTITIES_PER_QUERY = 10_000
_STATE = (
    "status severity tags started_at changed_at ended_at last_event_at last_content primary_property secondary_property notes is_current"
    " revised_by"
).split()
_READ = "id app_key_id identity identifier life".split() + _STATE[:-1] + ["revision"]
_INSERTED = "id app_key_id identity identifier life".split() + _STATE
_LINE = "id alert_id kind status tags content occurred_at received_at undoes activity".split()
_COLUMNS = ", ".join(f"a.{name}" for name in _READ)
_TYPES = {
    **dict.fromkeys(("id", "app_key_id", "alert_id", "revised_by", "undoes", "activity"), "bigint"),
    **dict.fromkeys(("identity", "last_content", "content"), "uuid"),
    **dict.fromkeys(("identifier", "primary_property", "secondary_property"), "text"),
    **dict.fromkeys(("status", "severity", "kind"), "smallint"),
    **dict.fromkeys(("tags", "notes"), "jsonb"),
    **dict.fromkeys(("started_at", "changed_at", "ended_at", "last_event_at", "occurred_at", "received_at"), "timestamptz"),
    **dict.fromkeys(("life", "seen"), "integer"),
    "is_current": "boolean",
}


class Contested(Exception):
    """Another writer changed one of our alerts between our look-up and our write."""


# --- read


def read_current(identities: Iterable[str]) -> dict[str, Life]:
    """The current lives of these identities, by identity."""
    wanted = list(identities)
    found: list[Life] = []
    for start in range(0, len(wanted), IDENTITIES_PER_QUERY):
        found += _read_by_identity(wanted[start : start + IDENTITIES_PER_QUERY], "a.is_current")
    return {life.identity: life for life in found}


def read_former(identity: str) -> list[Life]:
    """The lives of an identity before the current one, the oldest first."""
    return sorted(_read_by_identity([identity], "NOT a.is_current"), key=lambda life: life.life)


def read(alert_pks: Sequence[int]) -> list[Life]:
    """These alerts; who changes them by hand has locked them."""
    sql = f"SELECT {_COLUMNS} FROM alerts_alert a WHERE a.id IN (SELECT * FROM {_listed('bigint')}) ORDER BY a.id"
    return [_life(row) for row in _select(sql, alert_pks)]


def read_log(alert_pk: int) -> list[Line]:
    return read_logs([alert_pk])[alert_pk]


def read_logs(alert_pks: Sequence[int]) -> dict[int, list[Line]]:
    """The whole logs of these alerts, by alert."""
    logs: dict[int, list[Line]] = {pk: [] for pk in alert_pks}
    sql = f"SELECT {', '.join(_LINE)} FROM alerts_event WHERE alert_id IN (SELECT * FROM {_listed('bigint')})"
    for pk, alert_pk, kind, status, tags, content, occurred_at, received_at, undoes, activity in _select(sql, alert_pks):
        times = _moment(occurred_at), _moment(received_at)
        logs[alert_pk].append(Line(pk, status, json.loads(tags), tags, _hex(content), *times, kind, undoes, activity))
    return logs


def _read_by_identity(identities: Sequence[str], condition: str) -> list[Life]:
    # A lateral look-up per identity can only be an index scan: a plan for a join is made for a small table and kept while the table grows.
    if connection.vendor == "postgresql":
        alert = f"CROSS JOIN LATERAL (SELECT * FROM alerts_alert a WHERE a.identity = wanted.value AND {condition} OFFSET 0) a"
    else:
        alert = f"CROSS JOIN alerts_alert a ON a.identity = wanted.value AND {condition}"
    return [_life(row) for row in _select(f"SELECT {_COLUMNS} FROM {_listed('uuid')} {alert}", identities)]


def _listed(kind: str) -> str:
    """The one parameter of a query as rows of one column."""
    return f"unnest(%s::{kind}[]) AS wanted(value)" if connection.vendor == "postgresql" else "(SELECT value FROM json_each(%s)) AS wanted"


def _select(sql: str, wanted: Sequence[Any]) -> list[Any]:
    # Written out here: the drivers make arrays of Python lists slowly. There are only hexadecimal texts and integers among them.
    parameter = "{" + ",".join(map(str, wanted)) + "}" if connection.vendor == "postgresql" else json.dumps(wanted)
    with connection.cursor() as cursor:
        cursor.execute(sql, [parameter])
        return cursor.fetchall()


def _life(row: Sequence[Any]) -> Life:
    pk, app_key_pk, identity, identifier, life = row[:5]
    status, severity, tags, started_at, changed_at, ended_at, last_event_at, last_content = row[5:13]
    primary, secondary, notes, is_current, revision = row[13:]
    times = _moment(started_at), _moment(changed_at), _moment(ended_at) if ended_at else None, _moment(last_event_at)
    folded = Folded(status, severity, json.loads(tags), tags, *times, _hex(last_content))
    return Life(
        pk,
        app_key_pk,
        _hex(identity) or "",
        identifier,
        life,
        primary,
        secondary,
        folded,
        notes=json.loads(notes),
        is_current=bool(is_current),
        seen_revision=revision,
    )


def _moment(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _hex(value: UUID | str | None) -> str | None:
    return value.hex if isinstance(value, UUID) else value


# --- write


def write(lives: list[Life]) -> None:
    """Write what changed, in the caller's transaction, with the mark that correlation is behind.

    A known alert is written only in the revision it was read in, else Contested is raised; a new life of an identity that has a current one
    already violates a constraint: either way the caller begins anew.
    """
    lives.sort(key=lambda life: life.pk)  # so that two writers do not wait for each other
    known = [life for life in lives if life.seen_revision]
    begun = [life for life in lives if not life.seen_revision]
    lines = [(life, line) for life in lives for line in life.new_lines]
    # Former lives are put aside before new ones begin, since of an identity one alone is current.
    if known and _update(known) != len(known):
        raise Contested
    if begun:
        _insert("alerts_alert", _INSERTED, [_alert_row(life) for life in begun], ", revision, correlated_revision", ", 1, 0")
    if lines:
        _insert("alerts_event", _LINE, [_line_row(life, line) for life, line in lines])


def _alert_row(life: Life) -> tuple[Any, ...]:
    return (life.pk, life.app_key_pk, life.identity, life.identifier, life.life, *_state(life))


def _state(life: Life) -> tuple[Any, ...]:
    folded = life.folded
    return (
        folded.status,
        folded.severity,
        folded.tags_text or encode_tags(folded.tags),
        folded.started_at,
        folded.changed_at,
        folded.ended_at,
        folded.last_event_at,
        folded.last_content,
        life.primary_property,
        life.secondary_property,
        encode_tags(life.notes) if life.notes else "[]",
        life.is_current,
        life.revised_by,
    )


def _line_row(life: Life, line: Line) -> tuple[Any, ...]:
    times = line.occurred_at, line.received_at
    return (line.pk, life.pk, line.kind, line.status, line.tags_text, line.content, *times, line.undoes, line.activity)


def _insert(table: str, columns: list[str], rows: list[tuple[Any, ...]], further: str = "", values: str = "") -> None:
    names = ", ".join(columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"INSERT INTO {table} ({names}{further}) SELECT {names}{values} FROM {_recordset(columns)}", [_as_json(columns, rows)])
        else:
            marks = ", ".join("?" * len(columns))
            _sqlite(cursor).executemany(f"INSERT INTO {table} ({names}{further}) VALUES ({marks}{values})", map(_plain, rows))


def _update(lives: list[Life]) -> int:
    """Returns how many were still in the revision they were read in."""
    rows = [(*_state(life), life.pk, life.seen_revision) for life in lives]
    columns = [*_STATE, "id", "seen"]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            changes = ", ".join(f"{name} = r.{name}" for name in _STATE)
            sql = f"UPDATE alerts_alert a SET {changes}, revision = r.seen + 1 FROM {_recordset(columns)} WHERE a.id = r.id AND a.revision = r.seen"
            cursor.execute(sql, [_as_json(columns, rows)])
            return cursor.rowcount
        changes = ", ".join(f"{name} = ?" for name in _STATE)
        sql = f"UPDATE alerts_alert SET {changes}, revision = revision + 1 WHERE id = ? AND revision = ?"
        return _sqlite(cursor).executemany(sql, map(_plain, rows)).rowcount


# --- PostgreSQL: one JSON parameter, which costs less to make and to read than arrays


def _recordset(columns: list[str]) -> str:
    return f"jsonb_to_recordset(%s::jsonb) AS r({', '.join(f'{name} {_TYPES[name]}' for name in columns)})"


_quoted = json.encoder.encode_basestring  # type: ignore[attr-defined]


def _json_or_null(encode: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: "null" if value is None else encode(value)


_ENCODERS: dict[str, Callable[[Any], str]] = {
    "bigint": _json_or_null(str),
    "integer": str,
    "smallint": str,
    "boolean": lambda value: "true" if value else "false",
    "uuid": _json_or_null(lambda value: f'"{value}"'),
    "text": _quoted,
    "jsonb": str,
    "timestamptz": _json_or_null(lambda value: f'"{value.isoformat()}"'),
}


def _as_json(columns: list[str], rows: list[tuple[Any, ...]]) -> str:
    encoders = [_ENCODERS[_TYPES[name]] for name in columns]
    template = "{" + ",".join(f'"{name}":%s' for name in columns) + "}"
    encoded = (template % tuple([encode(value) for encode, value in zip(encoders, row, strict=True)]) for row in rows)
    return "[" + ",".join(encoded) + "]"


# --- SQLite: the driver itself, since Django's cursor translates each statement's marks anew


def _sqlite(cursor: Any) -> sqlite3.Cursor:
    raw: sqlite3.Cursor = connection.connection.cursor()
    return raw


def _plain(row: tuple[Any, ...]) -> list[Any]:
    return [str(value.replace(tzinfo=None)) if isinstance(value, datetime) else value for value in row]
