"""Transactions as values, apart from the connection that carries them out.

Django's connection carries them out in a thread (`carry_out`). The fast path has connections of its own on the event
loop (`alerts.fast_path.connections`).
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import nullcontext
from datetime import datetime
from functools import cache, lru_cache
from itertools import chain
from typing import Any, NamedTuple, TypeAlias, TypeVar

import psycopg
from django.db import DataError, IntegrityError, OperationalError, connection, transaction

from db import pg_binary
from db.pg_binary import Packed, PackedDumper

T = TypeVar("T")
Row: TypeAlias = tuple[Any, ...]  # values in the form of the database's driver
Columns: TypeAlias = tuple[tuple[str, str], ...]  # names, each with its type on PostgreSQL
# SQLSTATE of a unique violation, a division by zero (a failed check of `SetChange`), a serialization failure and a
# deadlock.
CONFLICTS = frozenset({"23505", "22012", "40001", "40P01"})
# With a fixed size there are few different statements, so that the driver keeps all of them prepared.
ROWS_PER_STATEMENT = 32  # on SQLite


class WriteConflict(Exception):
    """Another writer changed a row between the look-up and the write. The transaction is undone and can begin again."""


class Statement(NamedTuple):
    """SQL of the database in use, with its parameters.

    Parameters are in SQLite's form, or for PostgreSQL text or `Packed`.
    """

    sql: str
    parameters: Row
    writes: bool = False
    changes: int | None = None  # on SQLite: the number of rows that the statement must change, else there is a conflict


class SetChange(NamedTuple):
    """A change of tables from a set of rows, in SQL that both databases understand.

    Each SQL statement reads the rows as `r`, where it says `{rows}`.
    """

    sql: tuple[str, ...]
    columns: Columns
    rows: Sequence[Row]
    is_exact: bool = False  # whether each row must change one row of the table, else there is a conflict


# A generator of transactions. Each `yield` passes statements that are carried out together or not at all, and
# receives the rows of the last one.
Transactions: TypeAlias = Generator[Sequence[Statement], list[Row], T]


@cache
def is_postgresql() -> bool:
    """Return whether the database is PostgreSQL. Cached, because the question comes with each row that is read."""
    return connection.vendor == "postgresql"


# --- carry out


def carry_out(transactions: Transactions[T]) -> T:
    """Carry out transactions through Django's connection, inside its open transaction if any. Return their result."""
    try:
        statements = next(transactions)
        while True:
            try:
                rows = _execute(statements)
            except WriteConflict as error:
                statements = transactions.throw(error)
            else:
                statements = transactions.send(rows)
    except StopIteration as done:
        result: T = done.value
        return result


def _execute(statements: Sequence[Statement]) -> list[Row]:
    # One statement is a transaction by itself. Inside another transaction, a failed write must not end that one.
    is_alone = not statements[-1].writes or (
        is_postgresql() and len(statements) == 1 and not connection.in_atomic_block
    )
    try:
        with nullcontext() if is_alone else transaction.atomic(), connection.wrap_database_errors:
            connection.ensure_connection()
            raw: Any = connection.connection
            for statement in statements:
                if is_postgresql():
                    cursor = psycopg.RawCursor(raw)
                    cursor.adapters.register_dumper(Packed, PackedDumper)
                    cursor.execute(statement.sql.encode(), statement.parameters, prepare=True, binary=True)
                else:
                    cursor = raw.cursor()
                    cursor.execute(statement.sql, statement.parameters)
                    if statement.changes not in (None, cursor.rowcount):
                        raise WriteConflict
            return rows_of(cursor.pgresult) if is_postgresql() else cursor.fetchall()
    except (IntegrityError, DataError, OperationalError) as error:
        if isinstance(error, IntegrityError) or getattr(error.__cause__, "sqlstate", None) in CONFLICTS:
            raise WriteConflict from error
        raise


def rows_of(result: Any) -> list[Row]:
    """Return the rows of a PostgreSQL result, each value in its binary form."""
    value, columns = result.get_value, range(result.nfields)
    return [tuple([value(row, column) for column in columns]) for row in range(result.ntuples)]


# --- write sets of rows


def statements_of(changes: Sequence[SetChange]) -> list[Statement]:
    """Return the statements that make changes in their order.

    On PostgreSQL there is one statement, so that a write and its commit are one round trip. On SQLite there is one for
    each SQL text and 32 rows: the driver releases the interpreter once per statement, and in an `executemany` once per
    row.
    """
    return [_at_once(changes)] if is_postgresql() else list(_one_by_one(changes))


def _at_once(changes: Sequence[SetChange]) -> Statement:
    parameters = [pg_binary.arrays([type_ for _, type_ in each.columns], _columns(each.rows)) for each in changes]
    sql = _one_statement(tuple((each.sql, each.columns, each.is_exact) for each in changes))
    return Statement(sql, tuple(chain.from_iterable(parameters)), writes=True)


def _columns(rows: Sequence[Row]) -> list[Row]:
    return list(zip(*rows, strict=True))


@cache
def _one_statement(shapes: tuple[tuple[tuple[str, ...], Columns, bool], ...]) -> str:
    """Return one statement with a common table expression for each change.

    The statement divides by zero, and so undoes everything, where an exact change found fewer rows than were sent.
    """
    parts, checks = [], []
    first = 1
    for number, (statements, columns, is_exact) in enumerate(shapes):
        rows = unnested(columns, first)
        if len(statements) > 1:
            parts.append(f"rows_{number} AS MATERIALIZED (SELECT * FROM {rows})")
            rows = f"rows_{number} AS r"
        for place, sql in enumerate(statements):
            name = f"change_{number}_{place}"
            returning = " RETURNING 1" if is_exact else ""
            parts.append(f"{name} AS ({sql.format(rows=rows)}{returning})")
            if is_exact:
                checks.append(f"(SELECT count(*) FROM {name}) = cardinality(${first}::{columns[0][1]}[])")
        first += len(columns)
    result = f"SELECT 1 / ({' AND '.join(checks)})::int" if checks else "SELECT 1"
    return f"WITH {', '.join(parts)} {result}"


def unnested(columns: Columns, first: int = 1) -> str:
    """Return a source of PostgreSQL rows `r` from parameters, an array for each column.

    `first` is the number of the first parameter.
    """
    arrays = ", ".join(f"${number}::{type_}[]" for number, (_, type_) in enumerate(columns, first))
    return f"unnest({arrays}) AS r({', '.join(name for name, _ in columns)})"


def _one_by_one(changes: Sequence[SetChange]) -> Iterator[Statement]:
    for change in changes:
        for start in range(0, len(change.rows), ROWS_PER_STATEMENT):
            rows = change.rows[start : start + ROWS_PER_STATEMENT]
            parameters = tuple(plain(chain.from_iterable(rows)))
            for sql in change.sql:
                text = _with_values(sql, change.columns, len(rows))
                yield Statement(text, parameters, writes=True, changes=len(rows) if change.is_exact else None)


@cache
def _with_values(sql: str, columns: Columns, count: int) -> str:
    named = ", ".join(f"column{place} AS {name}" for place, (name, _) in enumerate(columns, 1))
    row = f"({', '.join('?' * len(columns))})"
    return sql.format(rows=f"(SELECT {named} FROM (VALUES {', '.join([row] * count)})) AS r")


def plain(values: Iterable[Any]) -> list[Any]:
    """Return values in SQLite's form."""
    return [_moment(value) if isinstance(value, datetime) else value for value in values]


@lru_cache
def _moment(value: datetime) -> str:
    return str(value.replace(tzinfo=None))
