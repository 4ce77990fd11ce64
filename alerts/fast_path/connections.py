"""The lane's own connections: a write is one coroutine on the loop that reads the requests, with no thread to hand it over to (bench/ingest.py).

A connection carries out steps (db.transactions) for one caller at a time, and comes back by itself after it was lost.
"""

from __future__ import annotations

import asyncio
import select
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

import psycopg
from django.db import connection as djangos
from psycopg import pq

from db.transactions import CONFLICTS, Row, Statement, Transactions, WriteConflict, rows_of

T = TypeVar("T")
NAME = "express lane"  # as the server lists it
LOCK_SECONDS = 20.0  # how long a write waits for SQLite's one lock
LOOK_SECONDS = 0.002  # how often it asks for it
CHECKPOINT_PAGES = 10_000  # those who have threads of their own come to it long before


class Lost(Exception):
    """The connection went; nothing of what was under way is known to be stored."""


class Connection(Protocol):
    async def execute(self, statements: Sequence[Statement]) -> list[Row]:
        """Carry statements out, together or not at all; the rows of the last. Raises Contested where writers met."""

    def close(self) -> None: ...


async def carry_out(steps: Transactions[T], connection: Connection) -> T:
    try:
        statements = next(steps)
        while True:
            try:
                rows = await connection.execute(statements)
            except WriteConflict as error:
                statements = steps.throw(error)
            else:
                statements = steps.send(rows)
    except StopIteration as done:
        result: T = done.value
        return result


def own() -> list[Connection]:
    """As many as are of use at once: SQLite has one writer at a time, PostgreSQL works on one group while we are at another."""
    return [PostgreSQL(), PostgreSQL()] if djangos.vendor == "postgresql" else [SQLite()]


class PostgreSQL:
    """libpq itself, prepared statements and binary results: psycopg's coroutines cost more than the statement they wait for."""

    def __init__(self) -> None:
        self._link: psycopg.Connection[Any] | None = None  # kept, since it closes what it opened
        self._libpq: Any = None
        self._socket = -1
        self._ends = select.poll()  # tells of the socket only that it has ended
        self._prepared: dict[str, bytes] = {}
        self._answer: asyncio.Future[Any] | None = None
        self._results: list[Any] = []

    async def execute(self, statements: Sequence[Statement]) -> list[Row]:
        if self._link is None:
            await self._open()
        if len(statements) == 1:
            return await self._run(statements[0])
        try:
            await self._ask("send_query", b"BEGIN")
            for statement in statements:
                rows = await self._run(statement)
            await self._ask("send_query", b"COMMIT")
        except BaseException:
            if self._link is not None:
                await self._ask("send_query", b"ROLLBACK")
            raise
        return rows

    def close(self) -> None:
        if self._link is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._ends.unregister(self._socket)
            with suppress(psycopg.Error):
                self._link.close()
            self._link = None

    async def _open(self) -> None:
        self._link = await asyncio.to_thread(_connect)
        self._libpq, self._prepared = self._link.pgconn, {}
        self._libpq.nonblocking = 1
        self._socket = self._libpq.socket  # kept, since a connection that is lost does not say any more
        self._ends.register(self._socket, 0)
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    async def _run(self, statement: Statement) -> list[Row]:
        name = self._prepared.get(statement.sql)
        if name is None:
            name = b"s%d" % len(self._prepared)
            await self._ask("send_prepare", name, statement.sql.encode())
            self._prepared[statement.sql] = name
        sent = statement.parameters
        parameters = [each.encode() if isinstance(each, str) else each for each in sent]
        formats = [pq.Format.TEXT if isinstance(each, str) else pq.Format.BINARY for each in sent]
        return rows_of(await self._ask("send_query_prepared", name, parameters, formats, pq.Format.BINARY))

    async def _ask(self, kind: str, *arguments: Any) -> Any:
        """Send, and wait for the result."""
        self._results = []
        self._answer = asyncio.get_running_loop().create_future()
        try:
            getattr(self._libpq, kind)(*arguments)
            while self._libpq.flush():  # more than the socket takes at once
                await _writable(self._socket)
        except psycopg.OperationalError as error:
            self._lose(error)
        result = await self._answer
        if result.status == pq.ExecStatus.FATAL_ERROR:
            code = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
            if code in CONFLICTS:
                raise WriteConflict
            message = result.error_message.decode(errors="replace")
            if code.startswith("57P"):  # it is shutting down
                self._lose(message)
                raise Lost(message)
            raise psycopg.DatabaseError(message)
        return result

    def _read(self) -> None:
        """The socket has something for us."""
        try:
            self._libpq.consume_input()
            self._take_results()
            while self._ends.poll(0):  # uvloop tells of that but once: read on, until libpq says it too
                self._libpq.consume_input()
        except psycopg.OperationalError as error:
            self._lose(error)

    def _take_results(self) -> None:
        while not self._libpq.is_busy():
            result = self._libpq.get_result()
            if result is not None:
                self._results.append(result)
                continue
            if self._answer and not self._answer.done() and self._results:
                self._answer.set_result(self._results[-1])
            return

    def _lose(self, reason: object) -> None:
        self.close()
        if self._answer and not self._answer.done():
            self._answer.set_exception(Lost(str(reason)))


async def _writable(socket: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(socket, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(socket)


# Made anew for each group, a plan costs as much as writing ten alerts. All that is asked for here are keys, so a plan
# by index is right for good, also where it was made while the table was empty.
_PLAN_ONCE = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off"


def _connect() -> psycopg.Connection[Any]:
    """As Django connects, but for what it adds to each connection."""
    parameters = djangos.get_connection_params()
    for name in ("context", "cursor_factory", "prepare_threshold"):
        parameters.pop(name, None)
    link: psycopg.Connection[Any] = psycopg.connect(**{"application_name": NAME, **parameters}, autocommit=True)
    link.execute(_PLAN_ONCE)
    return link


class SQLite:
    """In the loop itself: a set is one call of a fraction of a millisecond. What may take longer, the lock, is asked for and not waited for."""

    def __init__(self) -> None:
        self._link: sqlite3.Connection | None = None

    async def execute(self, statements: Sequence[Statement]) -> list[Row]:
        if self._link is None:
            self._link = await asyncio.to_thread(_open)
        if not statements[0].writes:
            return self._link.execute(statements[0].sql, statements[0].parameters).fetchall()
        await self._begin(self._link)
        try:
            for statement in statements:
                done = self._link.execute(statement.sql, statement.parameters)
                if statement.changes is not None and done.rowcount != statement.changes:
                    raise WriteConflict
            self._link.execute("COMMIT")
        except BaseException as error:
            self._link.rollback()
            if isinstance(error, sqlite3.IntegrityError):
                raise WriteConflict from error
            raise
        return []

    @staticmethod
    async def _begin(link: sqlite3.Connection) -> None:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                link.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(LOOK_SECONDS)
            else:
                return

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None


def _open() -> sqlite3.Connection:
    link: sqlite3.Connection = djangos.get_new_connection(djangos.get_connection_params())
    link.isolation_level = None
    link.execute("PRAGMA busy_timeout=0")
    link.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    return link
