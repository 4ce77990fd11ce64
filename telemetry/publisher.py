"""The thread of each process that adds its counts to the database, where `/metrics` reads the sums of all processes.

The database needs no broker, is shared by all hosts, and keeps the counts when a process ends.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from datetime import timedelta

from django.db import DatabaseError, close_old_connections, connection, transaction
from django.utils import timezone

from db.connections import keep_own
from telemetry import counts
from telemetry.models import Count, Gauge

logger = logging.getLogger(__name__)
PUBLISH_SECONDS = 10.0
FRESH = timedelta(seconds=60)  # how long a gauge counts after its process wrote it last
FORGOTTEN_AFTER = timedelta(days=1)  # of gauges of processes that have ended

_process = f"process@{socket.gethostname()}:{os.getpid()}"
_writing = threading.Lock()
_stopping = threading.Event()
_thread: threading.Thread | None = None


def start(kind: str) -> None:
    """Publish the counts of this process every few seconds, under the name of its kind: web, worker or beat."""
    global _process, _thread, _writing
    _writing = threading.Lock()  # another process may have held the old one at a fork
    _process = f"{kind}@{socket.gethostname()}:{os.getpid()}"
    _stopping.clear()
    _thread = threading.Thread(target=_run, name="telemetry", daemon=True)
    _thread.start()


def stop() -> None:
    """Publish once more, and end the thread."""
    _stopping.set()
    if _thread is not None:
        _thread.join()


def publish() -> None:
    """Add the counts of this process to the database. Raise DatabaseError where that fails, and keep the counts.

    There is always something to write, so a success says that the database can be written.
    """
    with _writing:
        changes, now = counts.drain(), timezone.now()
        gauges = {**counts.measured(), "process": now.timestamp()}
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                if connection.vendor == "postgresql":
                    cursor.execute("SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '4s'")
                # In one order, so that two processes do not wait for each other in a circle.
                cursor.executemany(
                    "INSERT INTO telemetry_count (name, value) VALUES (%s, %s) "
                    "ON CONFLICT (name) DO UPDATE SET value = telemetry_count.value + excluded.value",
                    sorted(changes.items()),
                ) if changes else None
                Gauge.objects.bulk_create(
                    [Gauge(name=name, process=_process, value=value, at=now) for name, value in sorted(gauges.items())],
                    update_conflicts=True,
                    unique_fields=["name", "process"],
                    update_fields=["value", "at"],
                )
        except BaseException:
            counts.give_back(changes)
            raise


def _forget() -> None:
    Gauge.objects.filter(at__lt=timezone.now() - FORGOTTEN_AFTER).delete()


def _run() -> None:
    keep_own()
    is_failing = is_last = False
    rounds = 0
    while not is_last:
        is_last = _stopping.wait(PUBLISH_SECONDS if rounds else 1.0)
        try:
            if rounds % 360 == 0:
                _forget()
            publish()
            is_failing = False
        except DatabaseError as error:
            if not is_failing:
                logger.warning("telemetry: the counts wait until the database can be written: %s", error)
            is_failing = True
        rounds += 1
        close_old_connections()


def totals() -> dict[str, float]:
    """Return the counts of all processes by name."""
    return dict(Count.objects.values_list("name", "value"))


def last_tick(name: str) -> float | None:
    """Return when any process noted this tick last, in seconds since 1970."""
    return Gauge.objects.filter(name=name).order_by("-value").values_list("value", flat=True).first()


def is_first_of_its_kind() -> bool:
    """Return whether this process is the first by name of those of its kind that are alive, on all hosts.

    So one process does what should be done once. It must have published lately itself.
    """
    kind = _process.partition("@")[0]
    alive = Gauge.objects.filter(name="process", process__startswith=f"{kind}@", at__gt=timezone.now() - FRESH)
    return alive.order_by("process").values_list("process", flat=True).first() == _process


def sum_now(name: str) -> float:
    """Return the sum of a gauge over the processes that are alive."""
    return sum(Gauge.objects.filter(name=name, at__gt=timezone.now() - FRESH).values_list("value", flat=True))
