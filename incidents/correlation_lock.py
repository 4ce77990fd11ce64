"""The correlation lock: a process holds the lock while it changes the grouping of incidents (docs/how-it-works.md §4.1)."""

from __future__ import annotations

from django.db import connection

DOMAIN = 0x1AC1DE17  # any number that nobody else uses for an advisory lock in this database


def hold() -> None:
    """Wait for the domain and hold it until the transaction ends, however it ends: the lock dies with it.

    On SQLite the transaction itself is that lock, since it begins IMMEDIATE.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [DOMAIN])
