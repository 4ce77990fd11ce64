"""The correlation lock: one process at a time changes the grouping of incidents (docs/how-it-works.md §4.1)."""

from __future__ import annotations

import time

from django.db import connection

from telemetry.counts import note_lock_wait

LOCK_KEY = 0x1AC1DE17  # any number that no other advisory lock of this database has


def hold() -> None:
    """Wait for the correlation lock, and hold it until the transaction ends.

    On SQLite the transaction itself is the lock, because it begins IMMEDIATE.
    """
    if connection.vendor == "postgresql":
        began = time.perf_counter()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_KEY])
        note_lock_wait(time.perf_counter() - began)
