"""Django's connection to the database, as each kind of process and thread uses it."""

from __future__ import annotations

from django.conf import settings
from django.db import connections

from db.postgresql import limits

SQLITE_LOCK_SECONDS = 8  # the longest wait of a page or a sender for the write lock of SQLite


def limit_web() -> None:
    """Limit the waits of the web process, before its first connection. A thread that waits answers nobody else."""
    limits.limit(limits.PAGES)
    options = settings.DATABASES["default"]["OPTIONS"]
    if "pool" not in options:
        options["timeout"] = SQLITE_LOCK_SECONDS


def limit_worker() -> None:
    """Limit the waits of a worker process, before its first connection."""
    limits.limit(limits.WORK)


def keep_own() -> None:
    """Give this thread a connection of its own, which it keeps. The connection is not of the pool that pages share.

    So the thread needs no other thread to give a connection back. After a loss, the next use reconnects.
    """
    shared = connections["default"]
    options = {name: value for name, value in shared.settings_dict["OPTIONS"].items() if name != "pool"}
    settings = {**shared.settings_dict, "OPTIONS": options, "CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": False}
    connections["default"] = type(shared)(settings, "default")
