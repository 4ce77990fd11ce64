"""The rows of alerts and of their log, and the SQL that writes them as sets, on both databases.

On PostgreSQL a whole write is one statement: one way to the server and back, and the commit with it. On SQLite it is one for each table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC
from functools import cache
from itertools import chain
from typing import Any

from django.db import connection

from alerts.ingest.alert_state import AlertState, NewAlert
from db import pg_binary
from db.bulk import plain
from db.pg_binary import Packed
from db.transactions import Row, Statement

# fmt: off
STATE = (
    "status", "severity", "tags", "started_at", "changed_at", "ended_at", "last_event_at", "last_content",
    "status_changes", "primary_property", "secondary_property", "notes", "is_current",
)
ALERT = ("id", "app_key_id", "identity", "identifier", "life", *STATE)
LINE = (
    "id", "alert_id", "kind", "status", "tags", "content", "occurred_at", "received_at", "undoes", "activity", "revision",
)
COUNTED = ("counted_status", "correlated_revision")  # of what is changed by hand and counted at once, beside its state
FIRST = (  # as alerts.ingest.alert_state.First, but for the time of receipt
    "id", "app_key_id", "identity", "identifier", "status", "tags", "content", "occurred_at", "primary_property", "secondary_property",
)
# fmt: on
TYPES = {
    **dict.fromkeys(("id", "app_key_id", "alert_id", "undoes", "activity"), "bigint"),
    **dict.fromkeys(("identity", "last_content", "content"), "uuid"),
    **dict.fromkeys(("identifier", "primary_property", "secondary_property"), "text"),
    **dict.fromkeys(("status", "severity", "kind", "counted_status"), "smallint"),
    **dict.fromkeys(("tags", "notes", "status_changes"), "jsonb"),
    **dict.fromkeys(
        ("started_at", "changed_at", "ended_at", "last_event_at", "occurred_at", "received_at"), "timestamptz"
    ),
    **dict.fromkeys(("life", "seen", "revision", "correlated_revision"), "integer"),
    "is_current": "boolean",
}


@cache
def is_postgresql() -> bool:
    """Asked for each row that is read, and the same for as long as the process lives."""
    return connection.vendor == "postgresql"


# --- read


def values(row: Row, names: Sequence[str]) -> list[Any]:
    """What the database sent, as the rules know it: identities in hexadecimal, JSON as text, times in UTC."""
    return [
        None if value is None else read(value)
        for read, value in zip(_readers(names, is_postgresql()), row, strict=True)
    ]


@cache
def _readers(names: Sequence[str], is_binary: bool) -> list[Callable[[Any], Any]]:
    readers = pg_binary.READERS if is_binary else _PLAIN
    return [readers[TYPES[name]] for name in names]


def _same(value: Any) -> Any:
    return value


_PLAIN: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("bigint", "integer", "smallint", "uuid", "text", "jsonb"), _same),
    "boolean": bool,
    "timestamptz": lambda value: value.replace(tzinfo=UTC),  # Django has its driver read them
}


# --- write


def beginning(firsts: Sequence[NewAlert]) -> Statement:
    """Write first alerts, all of them or, where one of their identities is known, none; returns rows in that case. PostgreSQL alone."""
    return Statement(_BEGIN_UNKNOWN, tuple(_first_columns(firsts)), writes=True)


def writing(
    known: Sequence[AlertState], begun: Sequence[AlertState], firsts: Sequence[NewAlert] = ()
) -> list[Statement]:
    """Write known alerts in the revision they were read in, else Contested is raised; new ones; and the new lines of all."""
    return [_at_once(known, begun, firsts)] if is_postgresql() else _one_by_one(known, begun, firsts)


def _alert_row(life: AlertState) -> Row:
    return (life.pk, life.app_key_pk, life.identity, life.identifier, life.life, *_state(life))


def _changed(known: Sequence[AlertState]) -> tuple[str, Sequence[str], list[Row]]:
    """What is set in known alerts, and from which columns of which rows."""
    set_: tuple[str, ...] = STATE
    if known[0].correlated_revision is None:
        rows = [(*_state(life), life.pk, life.seen_revision) for life in known]
    else:
        set_ = (*STATE, *COUNTED)
        rows = [
            (*_state(life), life.projection.status, life.correlated_revision, life.pk, life.seen_revision)
            for life in known
        ]
    changes = ", ".join(f"{name} = r.{name}" for name in set_)
    return f"{changes}, revision = r.seen + 1", (*set_, "id", "seen"), rows


def _state(life: AlertState) -> Row:
    projection = life.projection
    return (
        projection.status,
        projection.severity,
        projection.tags,
        projection.started_at,
        projection.changed_at,
        projection.ended_at,
        projection.last_event_at,
        projection.last_content,
        projection.status_changes,
        life.primary_property,
        life.secondary_property,
        life.notes,
        life.is_current,
    )


def _line_rows(lives: Iterable[AlertState]) -> list[Row]:
    return [
        (
            *(line.pk, life.pk, line.kind, line.status, line.tags, line.content, line.occurred_at, line.received_at),
            *(line.undoes, line.activity, life.seen_revision + 1),
        )
        for life in lives
        for line in life.new_lines
    ]


# --- PostgreSQL


def _insert(table: str, columns: str, chosen: str, source: str) -> str:
    return f"INSERT INTO {table} ({columns}) SELECT {chosen} FROM {source}"


def _begin(source: str, *, received_at: str, none: str) -> tuple[str, str]:
    """The two inserts of first alerts, from rows of FIRST, with an empty JSON array as the database writes it."""
    alert = (
        "id, app_key_id, identity, identifier, 1, status, status, tags, occurred_at, occurred_at,"
        f" CASE WHEN status = 0 THEN occurred_at END, occurred_at, content, {none}, primary_property, secondary_property,"
        f" {none}, true, 1, 0"
    )
    line = f"id, id, 0, status, tags, content, occurred_at, {received_at}, NULL, NULL, 1"
    return (
        _insert("alerts_alert", f"{', '.join(ALERT)}, revision, correlated_revision", alert, source),
        _insert("alerts_event", ", ".join(LINE), line, source),
    )


def _types(names: Sequence[str]) -> list[str]:
    return [TYPES[name] for name in names]


def _arrays(names: Sequence[str], first: int = 1) -> str:
    """The parameters from the first on, an array for each column, as rows `r`."""
    parameters = (f"${first + place}::{kind}[]" for place, kind in enumerate(_types(names)))
    return f"unnest({', '.join(parameters)}) AS r({', '.join(names)})"


def _begin_at_once(source: str, received_at: int) -> tuple[str, str]:
    return _begin(source, received_at=f"${received_at}::timestamptz", none="'[]'::jsonb")


def _first_columns(firsts: Sequence[NewAlert]) -> list[Packed]:
    """The parameters that first alerts are written from: an array for each column, and the time of receipt."""
    *columns, (received_at, *_) = zip(*firsts, strict=True)
    return [*pg_binary.arrays(_types(FIRST), columns), pg_binary.moment(received_at)]


_UNKNOWN_ALERTS, _UNKNOWN_LINES = _begin_at_once("new WHERE NOT EXISTS (SELECT FROM known)", len(FIRST) + 1)
# A lateral look-up per identity can only be an index scan: a plan for a join is made for a small table and kept while the table grows.
_BEGIN_UNKNOWN = (
    f"WITH new AS MATERIALIZED (SELECT * FROM {_arrays(FIRST)}), known AS MATERIALIZED (SELECT FROM new CROSS JOIN LATERAL"
    " (SELECT FROM alerts_alert a WHERE a.identity = new.identity AND a.is_current OFFSET 0) a),"
    f" alerts AS ({_UNKNOWN_ALERTS}), lines AS ({_UNKNOWN_LINES}) SELECT 1 FROM known LIMIT 1"
)


def _at_once(known: Sequence[AlertState], begun: Sequence[AlertState], firsts: Sequence[NewAlert]) -> Statement:
    """The whole write as one statement.

    Where an alert is no longer in the revision it was read in, the statement divides by zero, and nothing of it is done.
    """
    parts: list[str] = []
    parameters: list[str | Packed] = []
    result = "SELECT 1"

    def source(names: Sequence[str], rows: Sequence[Row]) -> str:
        first = len(parameters) + 1
        parameters.extend(pg_binary.arrays(_types(names), list(zip(*rows, strict=True))))
        return _arrays(names, first)

    if firsts:
        parameters += _first_columns(firsts)
        alerts, lines = _begin_at_once("new", len(parameters))
        parts += [
            f"new AS MATERIALIZED (SELECT * FROM {_arrays(FIRST)})",
            f"firsts AS ({alerts})",
            f"first_lines AS ({lines})",
        ]
    if begun:
        columns, rows = ", ".join(ALERT), source(ALERT, [_alert_row(life) for life in begun])
        insert = _insert("alerts_alert", f"{columns}, revision, correlated_revision", f"{columns}, 1, 0", rows)
        parts.append(f"begun AS ({insert})")
    if known:
        changes, names, changed_rows = _changed(known)
        rows = source(names, changed_rows)
        parts.append(
            f"changed AS (UPDATE alerts_alert a SET {changes} FROM {rows} WHERE a.id = r.id AND a.revision = r.seen RETURNING a.id)"
        )
        parameters.append(str(len(known)))
        result = f"SELECT 1 / ((SELECT count(*) FROM changed) = ${len(parameters)}::bigint)::int"
    if logged := _line_rows([*known, *begun]):
        columns = ", ".join(LINE)
        parts.append(f"logged AS ({_insert('alerts_event', columns, columns, source(LINE, logged))})")
    return Statement(f"WITH {', '.join(parts)} {result}", tuple(parameters), writes=True)


# --- SQLite

ROWS_AT_ONCE = 32  # so that there are few statements, and the driver has them all prepared


def _one_by_one(
    known: Sequence[AlertState], begun: Sequence[AlertState], firsts: Sequence[NewAlert]
) -> list[Statement]:
    """A statement for each table and a handful of rows: the driver gives the interpreter away at each, in an `executemany` at every row."""
    statements = []
    if known:
        changes, names, changed = _changed(known)
        for source, parameters, count in _handfuls(names, changed):
            sql = f"UPDATE alerts_alert SET {changes} FROM {source} WHERE alerts_alert.id = r.id AND alerts_alert.revision = r.seen"
            statements.append(Statement(sql, parameters, writes=True, changes=count))
    if begun:
        columns = ", ".join(ALERT)
        for source, parameters, _ in _handfuls(ALERT, [_alert_row(life) for life in begun]):
            sql = _insert("alerts_alert", f"{columns}, revision, correlated_revision", f"{columns}, 1, 0", source)
            statements.append(Statement(sql, parameters, writes=True))
    if firsts:
        received_at = plain((firsts[0].received_at,))
        for source, parameters, _ in _handfuls(FIRST, [first[: len(FIRST)] for first in firsts]):
            alert, line = _begin(source, received_at="?", none="'[]'")
            statements.append(Statement(alert, parameters, writes=True))
            statements.append(Statement(line, (*received_at, *parameters), writes=True))
    columns = ", ".join(LINE)
    for source, parameters, _ in _handfuls(LINE, _line_rows([*known, *begun])):
        statements.append(Statement(_insert("alerts_event", columns, columns, source), parameters, writes=True))
    return statements


def _handfuls(names: Sequence[str], rows: Sequence[Row]) -> Iterator[tuple[str, Row, int]]:
    """Rows `r` as parameters, so many at a time: what to select them from, the parameters, and how many rows they are."""
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = rows[start : start + ROWS_AT_ONCE]
        yield _values(tuple(names), len(some)), tuple(plain(chain.from_iterable(some))), len(some)


@cache
def _values(names: Sequence[str], count: int) -> str:
    named = ", ".join(f"column{place} AS {name}" for place, name in enumerate(names, 1))
    row = f"({', '.join('?' * len(names))})"
    return f"(SELECT {named} FROM (VALUES {', '.join([row] * count)})) AS r"
