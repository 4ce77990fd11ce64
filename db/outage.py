"""Errors of the database that are no fault of a request: it does not answer, or it accepts no changes."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from enum import Enum

import django.db
import psycopg
from django.db import transaction

logger = logging.getLogger(__name__)
BUSY_SECONDS = 10.0  # how long no page waits for a lock only to note something
NOTED_SECONDS = 30.0  # how long a page says that the database accepts no changes


class Outage(Enum):
    """State of a database that is out of order. The value says it to a person."""

    AWAY = "The database does not answer at the moment."
    READ_ONLY = "The database accepts no changes at the moment."
    BUSY = "Correlation is busy."  # it holds the locks that others wait for


# SQLSTATE of a read-only transaction (a standby, or default_transaction_read_only) and of a full disk.
_NO_CHANGES = frozenset({"25006", "53100"})
_NO_CHANGES_SQLITE = ("SQLITE_READONLY", "SQLITE_FULL", "SQLITE_IOERR")
_LOCK_TIMEOUT = "55P03"  # SQLSTATE; on SQLite the name below
_LOCK_TIMEOUT_SQLITE = "SQLITE_BUSY"
_NO_RIGHT = "42501"  # SQLSTATE of a right that the console's role does not have (any more)
_OF_THE_REQUEST = tuple(
    getattr(module, name)
    for module in (django.db, psycopg, sqlite3)
    for name in ("ProgrammingError", "IntegrityError", "DataError", "NotSupportedError")
)
_OF_THE_DATABASE = (django.db.Error, psycopg.Error, sqlite3.Error)


def outage_of(error: BaseException | None) -> Outage | None:
    """Return what the database does, or None for an error of another kind."""
    if not isinstance(error, _OF_THE_DATABASE):
        return None
    cause = error.__cause__ if isinstance(error, django.db.Error) and error.__cause__ else error
    sqlstate = getattr(cause, "sqlstate", None)
    if sqlstate in _NO_CHANGES or str(getattr(cause, "sqlite_errorname", "")).startswith(_NO_CHANGES_SQLITE):
        return Outage.READ_ONLY
    if sqlstate == _LOCK_TIMEOUT or str(getattr(cause, "sqlite_errorname", "")).startswith(_LOCK_TIMEOUT_SQLITE):
        return Outage.BUSY
    if isinstance(error, _OF_THE_REQUEST) and sqlstate != _NO_RIGHT:
        return None
    return Outage.AWAY


# --- What pages say

_noted_at = -NOTED_SECONDS
_busy_at = -BUSY_SECONDS


def note(error: BaseException) -> Outage | None:
    """Return the outage, and remember for the pages of this process that the database accepts no changes."""
    global _noted_at
    outage = outage_of(error)
    if outage is Outage.READ_ONLY:
        _noted_at = time.monotonic()
    return outage


def note_success() -> None:
    """Forget the outage, because a change was stored."""
    global _noted_at
    _noted_at = -NOTED_SECONDS


def is_read_only() -> bool:
    """Return whether the database refused a change a moment ago."""
    return time.monotonic() - _noted_at < NOTED_SECONDS


def try_to_note(what: str, change: Callable[[], object]) -> bool:
    """Make a change that only notes something beside a page. Return False where the database accepts no changes.

    After a wait for the lock in vain, nothing is noted for some seconds, so that not every page waits.
    """
    global _busy_at
    if time.monotonic() - _busy_at < BUSY_SECONDS:
        return False
    try:
        with transaction.atomic():
            change()
    except django.db.Error as error:
        outage = note(error)
        if outage is Outage.BUSY:
            _busy_at = time.monotonic()
        elif outage is not Outage.READ_ONLY:
            raise
        logger.warning("%s is not noted: %s", what, error)
        return False
    note_success()
    return True
