"""The fast path's own database connections, which work on the event loop without a thread (bench/ingest.py).

A connection carries out transactions (`db.transactions`) for one caller at a time. After a loss, the next use
reconnects.
"""

from __future__ import annotations

import asyncio
import hashlib
import select
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

import psycopg
from django.db import connection as djangos
from psycopg import pq

from db.postgresql import limits
from db.postgresql.connection import CONNECT_SECONDS, QuickConnection
from db.transactions import CONFLICTS, Row, Statement, Transactions, WriteConflict, rows_of
from telemetry.counts import note_lock_wait

T = TypeVar("T")
NAME = "fast path"  # in PostgreSQL's list of connections
ANSWER_SECONDS = (
    5.0  # the longest wait for PostgreSQL, or for the write lock of SQLite; then it is the standard path's turn
)
LOCK_SECONDS = 10.0  # the longest wait for the write lock of SQLite
RETRY_SECONDS = 0.002  # between two attempts to get the lock
# SQLSTATE of an unknown and of a duplicate prepared statement.
_NAME_CONFLICTS = frozenset({"26000", "42P05"})
CHECKPOINT_PAGES = 10_000  # so many that connections in threads make the checkpoints


class ConnectionLost(Exception):
    """The connection ended. Whether a write that was under way is stored is unknown."""


class _NameConflict(Exception):
    """The server connection does not know a prepared statement of ours, or knows one that it should not know."""


class Connection(Protocol):
    async def execute(self, statements: Sequence[Statement]) -> list[Row]:
        """Carry out statements together or not at all. Return the rows of the last one. Raise WriteConflict."""

    def close(self) -> None: ...


async def carry_out(transactions: Transactions[T], connection: Connection) -> T:
    """Carry out transactions on the event loop. Return their result."""
    try:
        statements = next(transactions)
        while True:
            try:
                rows = await connection.execute(statements)
            except WriteConflict as error:
                statements = transactions.throw(error)
            else:
                statements = transactions.send(rows)
    except StopIteration as done:
        result: T = done.value
        return result


def create() -> list[Connection]:
    """Return the connections: one for SQLite, which has one writer at a time, and two for PostgreSQL.

    PostgreSQL works on one group while this process prepares another.
    """
    return [PostgreSQL(), PostgreSQL()] if djangos.vendor == "postgresql" else [SQLite()]


class PostgreSQL:
    """A connection that calls libpq itself, with prepared statements and binary results.

    The coroutines of psycopg would cost more than the statements that they wait for.

    A pooler such as pgbouncer may give each transaction another server connection, which knows none of the prepared
    statements, or those of others. Behind a pooler nothing is prepared, and no setting of the session is changed. The
    name of a statement is a hash of its SQL, so that it could never mean another statement.
    """

    def __init__(self) -> None:
        self._link: psycopg.Connection[Any] | None = (
            None  # kept alive, because its garbage collection would close the connection
        )
        self._libpq: Any = None
        self._socket = -1
        self._ends = select.poll()  # reports only that the socket has ended
        self._names: dict[str, bytes] = {}  # of the statements that this connection has prepared
        self._is_pooled = False
        self._answer: asyncio.Future[Any] | None = None
        self._results: list[Any] = []
        self._is_writable = asyncio.Event()  # or the connection was lost meanwhile

    async def execute(self, statements: Sequence[Statement]) -> list[Row]:
        if self._link is None:
            await self._open()
        # The server may be frozen, or behind a network that drops everything.
        watch = asyncio.get_running_loop().call_later(ANSWER_SECONDS, self._lose, "the server does not answer")
        try:
            return await self._transact(statements)
        except _NameConflict:  # a pooler that did not show itself
            self._is_pooled = True
            return await self._transact(statements)
        finally:
            watch.cancel()

    async def _transact(self, statements: Sequence[Statement]) -> list[Row]:
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
        try:
            link, self._is_pooled = await asyncio.to_thread(_connect)
        except psycopg.OperationalError as error:
            raise ConnectionLost(str(error)) from error
        self._link = link
        self._libpq, self._names = link.pgconn, {}
        self._libpq.nonblocking = 1
        self._socket = self._libpq.socket  # kept, because a lost connection no longer has it
        self._ends.register(self._socket, 0)
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    async def _run(self, statement: Statement) -> list[Row]:
        sent = statement.parameters
        parameters = [each.encode() if isinstance(each, str) else each for each in sent]
        formats = [pq.Format.TEXT if isinstance(each, str) else pq.Format.BINARY for each in sent]
        if self._is_pooled:
            query = ("send_query_params", statement.sql.encode(), parameters, None, formats, pq.Format.BINARY)
            return rows_of(await self._ask(*query))
        name = self._names.get(statement.sql)
        if name is None:
            name = _name_of(statement.sql)
            await self._ask("send_prepare", name, statement.sql.encode())
            self._names[statement.sql] = name
        return rows_of(await self._ask("send_query_prepared", name, parameters, formats, pq.Format.BINARY))

    async def _ask(self, kind: str, *arguments: Any) -> Any:
        """Send a request of libpq and return its result."""
        self._results = []
        self._answer = asyncio.get_running_loop().create_future()
        try:
            getattr(self._libpq, kind)(*arguments)
            while self._libpq.flush():  # while the socket does not accept everything
                await self._until_writable()
        except psycopg.OperationalError as error:
            self._lose(error)
        result = await self._answer
        if result.status == pq.ExecStatus.FATAL_ERROR:
            code = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
            if code in CONFLICTS:
                raise WriteConflict
            if code in _NAME_CONFLICTS:
                raise _NameConflict
            message = result.error_message.decode(errors="replace")
            if code.startswith(("57P", "08")):  # the server is shutting down, or a pooler has lost it
                self._lose(message)
                raise ConnectionLost(message)
            raise _error_of(code)(message)
        return result

    async def _until_writable(self) -> None:
        loop, socket = asyncio.get_running_loop(), self._socket
        self._is_writable.clear()
        loop.add_writer(socket, self._is_writable.set)
        try:
            await self._is_writable.wait()
        finally:
            loop.remove_writer(socket)

    def _read(self) -> None:
        """Read the input of the socket."""
        try:
            self._libpq.consume_input()
            self._collect_results()
            while self._ends.poll(0):  # uvloop reports the end only once: read until libpq reports it, too
                self._libpq.consume_input()
        except psycopg.OperationalError as error:
            self._lose(error)

    def _collect_results(self) -> None:
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
        self._is_writable.set()
        if self._answer and not self._answer.done():
            self._answer.set_exception(ConnectionLost(str(reason)))


# Planning a statement per group would cost as much as writing ten alerts. Statements look up keys only, so a plan by
# index stays right, even one that was made while the table was empty.
_PLAN_ONCE = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off"


def _name_of(sql: str) -> bytes:
    return b"fast_%s" % hashlib.sha256(sql.encode()).hexdigest()[:32].encode()


def _error_of(sqlstate: str) -> type[psycopg.Error]:
    try:
        return psycopg.errors.lookup(sqlstate)
    except KeyError:
        return psycopg.DatabaseError


def _connect() -> tuple[psycopg.Connection[Any], bool]:
    """Connect as Django does, without Django's own additions to a connection.

    Return the connection, and whether it leads to a pooler. A pooler answers with a process number of its own.
    """
    parameters = djangos.get_connection_params()
    for name in ("context", "cursor_factory", "prepare_threshold"):
        parameters.pop(name, None)
    ours = {"application_name": NAME, "connect_timeout": CONNECT_SECONDS}
    link = QuickConnection.connect(**{**ours, **parameters}, autocommit=True)
    row = link.execute("SELECT pg_backend_pid()").fetchone()
    is_pooled = row != (link.pgconn.backend_pid,)
    if not is_pooled:
        link.execute(_PLAN_ONCE)
        limits.apply(link, limits.FAST_PATH)
    return link, is_pooled


class SQLite:
    """A connection that works on the event loop itself: a set of rows takes a fraction of a millisecond.

    Only the lock can take longer. The connection asks for the lock again and again, and does not block.
    """

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
        began = time.monotonic()
        while True:
            try:
                link.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                if time.monotonic() > began + LOCK_SECONDS:
                    raise
                await asyncio.sleep(RETRY_SECONDS)
            else:
                note_lock_wait(time.monotonic() - began)
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
