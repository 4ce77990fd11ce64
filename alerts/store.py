"""Reading and writing alerts and their log as sets, in SQL of our own: the ORM would cost more than all rules together (bench/ingest.py).

Both databases hold the same rows; Django's models (alerts.models) define them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import cache
from typing import Any

import psycopg
from django.db import connection, transaction

from alerts.folding import Folded, Line
from alerts.lives import Life
from alerts.sets import Row, as_json, driver, plain, recordset, run

IDENTITIES_PER_QUERY = 10_000
# fmt: off
_IDENTITY = ("id", "app_key_id", "identity", "identifier", "life")
_STATE = (
    "status", "severity", "tags", "started_at", "changed_at", "ended_at", "last_event_at", "last_content",
    "status_changes", "primary_property", "secondary_property", "notes", "is_current",
)
_READ = (*_IDENTITY, *_STATE, "revision")
_INSERTED = (*_IDENTITY, *_STATE)
_LINE = (
    "id", "alert_id", "kind", "status", "tags", "content", "occurred_at", "received_at", "undoes", "activity",
)
_LOGGED = (*_LINE, "revision")
# fmt: on
_CHANGED = (*_STATE, "id", "seen")
_TYPES = {
    **dict.fromkeys(("id", "app_key_id", "alert_id", "undoes", "activity"), "bigint"),
    **dict.fromkeys(("identity", "last_content", "content"), "uuid"),
    **dict.fromkeys(("identifier", "primary_property", "secondary_property"), "text"),
    **dict.fromkeys(("status", "severity", "kind"), "smallint"),
    **dict.fromkeys(("tags", "notes", "status_changes"), "jsonb"),
    **dict.fromkeys(
        ("started_at", "changed_at", "ended_at", "last_event_at", "occurred_at", "received_at"), "timestamptz"
    ),
    **dict.fromkeys(("life", "seen", "revision"), "integer"),
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
    sql = (
        f"SELECT {_columns(_READ)} FROM alerts_alert a WHERE a.id IN (SELECT * FROM {_listed('bigint')}) ORDER BY a.id"
    )
    return [_life(row) for row in _select(sql, alert_pks)]


def read_log(alert_pk: int) -> list[Line]:
    return read_logs([alert_pk])[alert_pk]


def read_logs(alert_pks: Sequence[int]) -> dict[int, list[Line]]:
    """The whole logs of these alerts, by alert."""
    logs: dict[int, list[Line]] = {pk: [] for pk in alert_pks}
    sql = f"SELECT {_columns(_LINE)} FROM alerts_event a WHERE alert_id IN (SELECT * FROM {_listed('bigint')})"
    for pk, alert_pk, kind, status, tags, content, occurred_at, received_at, undoes, activity in _select(
        sql, alert_pks
    ):
        times = _moment(occurred_at), _moment(received_at)
        logs[alert_pk].append(Line(pk, status, tags, content, *times, kind, undoes, activity))
    return logs


def _read_by_identity(identities: Sequence[str], condition: str) -> list[Life]:
    # A lateral look-up per identity can only be an index scan: a plan for a join is made for a small table and kept while the table grows.
    if connection.vendor == "postgresql":
        alert = f"CROSS JOIN LATERAL (SELECT * FROM alerts_alert a WHERE a.identity = wanted.value AND {condition} OFFSET 0) a"
    else:
        alert = f"CROSS JOIN alerts_alert a ON a.identity = wanted.value AND {condition}"
    return [_life(row) for row in _select(f"SELECT {_columns(_READ)} FROM {_listed('uuid')} {alert}", identities)]


@cache
def _columns(names: tuple[str, ...]) -> str:
    """As the database says them fastest: PostgreSQL's driver would make an object of each UUID, which is not needed here."""
    is_object = {name for name in names if _TYPES.get(name) == "uuid" and connection.vendor == "postgresql"}
    return ", ".join(f"encode(uuid_send(a.{name}), 'hex')" if name in is_object else f"a.{name}" for name in names)


def _listed(kind: str) -> str:
    """The one parameter of a query as rows of one column."""
    return (
        f"unnest(%s::{kind}[]) AS wanted(value)"
        if connection.vendor == "postgresql"
        else "(SELECT value FROM json_each(%s)) AS wanted"
    )


def _select(sql: str, wanted: Sequence[Any]) -> list[Any]:
    # Written out here: the drivers make arrays of Python lists slowly. There are only hexadecimal texts and integers among them.
    is_postgresql = connection.vendor == "postgresql"
    parameter = "{" + ",".join(map(str, wanted)) + "}" if is_postgresql else json.dumps(wanted)
    rows: list[Any] = run(sql, [parameter]).fetchall()
    return rows


def _life(row: Sequence[Any]) -> Life:
    pk, app_key_pk, identity, identifier, life = row[:5]
    status, severity, tags, started_at, changed_at, ended_at, last_event_at, last_content = row[5:13]
    changes, primary, secondary, notes, is_current, revision = row[13:]
    times = _moment(started_at), _moment(changed_at), _moment(ended_at) if ended_at else None, _moment(last_event_at)
    folded = Folded(status, severity, tags, *times, last_content, changes)
    return Life(
        pk,
        app_key_pk,
        identity,
        identifier,
        life,
        primary,
        secondary,
        folded,
        notes=notes,
        is_current=bool(is_current),
        seen_revision=revision,
    )


def _moment(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)


# --- write


def write(lives: list[Life]) -> None:
    """Write what changed, with the mark that correlation is behind: all of it or nothing, in the caller's transaction or in one statement.

    A known alert is written only in the revision it was read in, else Contested is raised; a new life of an identity that has a current one
    already violates a constraint: either way the caller begins anew.
    """
    lives.sort(key=lambda life: life.pk)  # so that two writers do not wait for each other
    known = [(*_state(life), life.pk, life.seen_revision) for life in lives if life.seen_revision]
    begun = [_alert_row(life) for life in lives if not life.seen_revision]
    lines = [_line_row(life, line) for life in lives for line in life.new_lines]
    is_succession = bool(begun) and not all(life.is_current for life in lives)
    at_once = connection.vendor == "postgresql" and not is_succession
    # One statement is a transaction by itself; inside another one, a failed write must not take that one with it.
    is_own_transaction = at_once and not connection.in_atomic_block
    with connection.wrap_database_errors, nullcontext() if is_own_transaction else transaction.atomic():
        if at_once:
            _write_at_once(known, begun, lines)
        else:
            # Former lives are put aside before new ones begin, since of an identity one alone is current.
            if known and _update(known) != len(known):
                raise Contested
            _insert("alerts_alert", _INSERTED, begun, ", revision, correlated_revision", ", 1, 0")
            _insert("alerts_event", _LOGGED, lines)


def _alert_row(life: Life) -> Row:
    return (life.pk, life.app_key_pk, life.identity, life.identifier, life.life, *_state(life))


def _state(life: Life) -> Row:
    folded = life.folded
    return (
        folded.status,
        folded.severity,
        folded.tags,
        folded.started_at,
        folded.changed_at,
        folded.ended_at,
        folded.last_event_at,
        folded.last_content,
        folded.status_changes,
        life.primary_property,
        life.secondary_property,
        life.notes,
        life.is_current,
    )


def _line_row(life: Life, line: Line) -> Row:
    times = line.occurred_at, line.received_at
    revision = life.seen_revision + 1
    return (
        *(line.pk, life.pk, line.kind, line.status, line.tags, line.content),
        *(*times, line.undoes, line.activity, revision),
    )


def _insert(table: str, columns: Sequence[str], rows: list[Row], further: str = "", values: str = "") -> None:
    if rows and connection.vendor == "postgresql":
        run(_inserting(table, columns, further, values), [as_json(columns, _TYPES, rows)])
    elif rows:
        marks = ", ".join("?" * len(columns))
        sql = f"INSERT INTO {table} ({', '.join(columns)}{further}) VALUES ({marks}{values})"
        driver().executemany(sql, map(plain, rows))


def _update(rows: list[Row]) -> int:
    """Returns how many were still in the revision they were read in."""
    if connection.vendor == "postgresql":
        return int(run(_UPDATING, [as_json(_CHANGED, _TYPES, rows)]).rowcount)
    changes = ", ".join(f"{name} = ?" for name in _STATE)
    sql = f"UPDATE alerts_alert SET {changes}, revision = revision + 1 WHERE id = ? AND revision = ?"
    return int(driver().executemany(sql, map(plain, rows)).rowcount)


# --- PostgreSQL


def _inserting(table: str, columns: Sequence[str], further: str = "", values: str = "") -> str:
    names = ", ".join(columns)
    return f"INSERT INTO {table} ({names}{further}) SELECT {names}{values} FROM {recordset(columns, _TYPES)}"


_UPDATING = (
    f"UPDATE alerts_alert a SET {', '.join(f'{name} = r.{name}' for name in _STATE)}, revision = r.seen + 1"
    f" FROM {recordset(_CHANGED, _TYPES)} WHERE a.id = r.id AND a.revision = r.seen"
)
_BEGINNING = _inserting("alerts_alert", _INSERTED, ", revision, correlated_revision", ", 1, 0")
_LOGGING = _inserting("alerts_event", _LOGGED)


def _write_at_once(known: list[Row], begun: list[Row], lines: list[Row]) -> None:
    """The whole write as one statement: one way to the server and back, and the commit with it.

    Where an alert is no longer in the revision it was read in, the statement divides by zero, and nothing of it is done.
    """
    parts, parameters = [], []
    if begun:
        parts.append(f"begun AS ({_BEGINNING})")
        parameters.append(as_json(_INSERTED, _TYPES, begun))
    if known:
        parts.append(f"changed AS ({_UPDATING} RETURNING a.id)")
        parameters.append(as_json(_CHANGED, _TYPES, known))
    sql = f"WITH {', '.join(parts)} {_LOGGING}"
    parameters.append(as_json(_LOGGED, _TYPES, lines))
    if known:
        sql += " WHERE 1 / ((SELECT count(*) FROM changed) = %s)::int = 1"
        parameters.append(str(len(known)))
    try:
        driver().execute(sql, parameters)
    except psycopg.errors.DivisionByZero as error:
        raise Contested from error
