"""Transactions as values, apart from the connection that carries them out.

Django's connection carries them out in a thread. The fast path has connections of its own on the event loop (`alerts.fast_path.connections`).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple, TypeAlias, TypeVar

import psycopg
from django.db import DataError, IntegrityError, OperationalError, connection, transaction

from db.pg_binary import Packed, PackedDumper

T = TypeVar("T")
Row: TypeAlias = tuple[Any, ...]  # values as the database sends them: alerts.ingest.store reads them
# Unique violation, division by zero (alerts.ingest.store), serialization failure, deadlock: others were faster, and all may begin anew.
RACES = frozenset({"23505", "22012", "40001", "40P01"})


class WriteConflict(Exception):
    """Another writer changed one of our alerts between our look-up and our write."""


class Statement(NamedTuple):
    """SQL of the database in use, and its parameters: as SQLite keeps them, or as text or in the binary form of PostgreSQL."""

    sql: str
    parameters: Row
    writes: bool = False
    changes: int | None = None  # on SQLite: how many rows it must change, else others were faster


# Each step is a transaction: statements done together or not at all. It yields the rows of the last of them.
Transactions: TypeAlias = Generator[Sequence[Statement], list[Row], T]


def carry_out(steps: Transactions[T]) -> T:
    """Through Django's connection, in its transaction where there is one."""
    try:
        statements = next(steps)
        while True:
            try:
                rows = _execute(statements)
            except WriteConflict as error:
                statements = steps.throw(error)
            else:
                statements = steps.send(rows)
    except StopIteration as done:
        result: T = done.value
        return result


def _execute(statements: Sequence[Statement]) -> list[Row]:
    is_postgresql = connection.vendor == "postgresql"
    # One statement is a transaction by itself; inside another one, a failed write must not take that one with it.
    alone = not statements[-1].writes or (is_postgresql and len(statements) == 1 and not connection.in_atomic_block)
    try:
        with nullcontext() if alone else transaction.atomic(), connection.wrap_database_errors:
            connection.ensure_connection()
            raw: Any = connection.connection
            for statement in statements:
                if is_postgresql:
                    cursor = psycopg.RawCursor(raw)
                    cursor.adapters.register_dumper(Packed, PackedDumper)
                    cursor.execute(statement.sql.encode(), statement.parameters, prepare=True, binary=True)
                else:
                    cursor = raw.cursor()
                    cursor.execute(statement.sql, statement.parameters)
                    if statement.changes not in (None, cursor.rowcount):
                        raise WriteConflict
            return rows_of(cursor.pgresult) if is_postgresql else cursor.fetchall()
    except (IntegrityError, DataError, OperationalError) as error:
        if isinstance(error, IntegrityError) or getattr(error.__cause__, "sqlstate", None) in RACES:
            raise WriteConflict from error
        raise


def rows_of(result: Any) -> list[Row]:
    """The rows of a result of PostgreSQL, in its binary form."""
    value, columns = result.get_value, range(result.nfields)
    return [tuple([value(row, column) for column in columns]) for row in range(result.ntuples)]
