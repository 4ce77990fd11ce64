"""Time limit of searches: a search that takes longer is stopped, wherever its time goes.

PostgreSQL stops a statement by `statement_timeout`, which is set for the transaction alone, because a connection may
serve another process next. SQLite asks a handler while it works. Regular expressions that run here look at the same
deadline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection, transaction

from bpql import search_limit
from bpql.search_limit import SearchLimit, SearchStopped
from db.transactions import is_postgresql

STEPS = 20_000  # of SQLite's machine between two looks at the clock, about a millisecond
CANCELLED = "57014"  # SQLSTATE of a statement that PostgreSQL stopped
STOPPED_HERE = ("interrupted", "user-defined function raised exception")  # what SQLite says of it
PRECISION = 0.1  # of the limit by which a statement may run over it


@contextmanager
def limited(seconds: float | None = None) -> Iterator[None]:
    """Run a search. Raise SearchStopped when it takes longer than `seconds`, or else CONSOLE_SEARCH_SECONDS.

    A search within a search has the limit of the outer one.
    """
    limit = settings.SEARCH_SECONDS if seconds is None else seconds
    if not limit or search_limit.present():
        yield
        return
    with search_limit.within(limit) as until:
        try:
            with _on_postgresql(until) if is_postgresql() else _on_sqlite(until):
                yield
        except OperationalError as error:
            if _is_stop(error, until):
                raise SearchStopped(until.seconds) from error
            raise


@contextmanager
def _on_postgresql(until: SearchLimit) -> Iterator[None]:
    is_inside = connection.in_atomic_block
    given = 0.0  # seconds that PostgreSQL was told for each statement

    def watch(execute: Callable[..., Any], sql: str, parameters: Any, many: bool, context: dict[str, Any]) -> Any:
        nonlocal given
        search_limit.check()
        left = until.left
        if not left <= given <= left + PRECISION * until.seconds:
            given = left
            # Past Django's cursor, which would count this statement among those of the page.
            context["cursor"].cursor.execute(f"SET LOCAL statement_timeout = {max(1, round(left * 1000))}")
        return execute(sql, parameters, many, context)

    with transaction.atomic(), ExitStack() as stack:
        stack.enter_context(connection.execute_wrapper(watch))
        yield
        stack.close()
        if is_inside and given:
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout TO DEFAULT")


@contextmanager
def _on_sqlite(until: SearchLimit) -> Iterator[None]:
    def watch(execute: Callable[..., Any], sql: str, parameters: Any, many: bool, context: dict[str, Any]) -> Any:
        search_limit.check()
        return execute(sql, parameters, many, context)

    connection.ensure_connection()
    raw: Any = connection.connection
    raw.set_progress_handler(lambda: until.left < 0, STEPS)
    try:
        with connection.execute_wrapper(watch):
            yield
    finally:
        raw.set_progress_handler(None, 0)


def _is_stop(error: OperationalError, until: SearchLimit) -> bool:
    cause = error.__cause__
    if sqlstate := getattr(cause, "sqlstate", None):
        return bool(sqlstate == CANCELLED)
    return until.left < 0 and any(each in str(cause) for each in STOPPED_HERE)
