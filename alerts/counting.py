"""How much each App Key sends, and what had to be repaired in it: counted in memory, written every few seconds (engine.md, Identity, dedup, order).

A process that is killed loses the counts of its last seconds; a lost count is no lost event.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from django.db import DatabaseError, close_old_connections, transaction
from django.db.models import F
from django.utils import timezone

from alerts.events import IncomingEvent
from alerts.ingest import Outcome
from alerts.models import Repair, Traffic
from appkeys.models import AppKey

logger = logging.getLogger(__name__)
FLUSH_SECONDS = 2.0

_lock = threading.Lock()
_events: Counter[tuple[int, datetime, str]] = Counter()  # App Key, hour, column of Traffic
_repairs: dict[tuple[int, str], tuple[str, int]] = {}  # App Key and field -> the last rule, how often
_flusher: threading.Thread | None = None
_stopping = threading.Event()


def count(
    taken: Iterable[tuple[AppKey, IncomingEvent]], outcomes: Iterable[Outcome], rejected: Iterable[AppKey] = ()
) -> None:
    """Count what became of a request's events, and the rejects whose App Key is known."""
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    with _lock:
        for (app_key, event), outcome in zip(taken, outcomes, strict=True):
            _events[app_key.pk, hour, "accepted" if outcome is Outcome.ACCEPTED else "duplicates"] += 1
            for note in event.notes:
                _, times = _repairs.get((app_key.pk, note.field), ("", 0))
                _repairs[app_key.pk, note.field] = note.rule, times + 1
        for app_key in rejected:
            _events[app_key.pk, hour, "rejected"] += 1
    if _flusher is None:
        flush()


def flush() -> None:
    """Add what was counted to the database."""
    with _lock:
        events, repairs = dict(_events), dict(_repairs)
        _events.clear()
        _repairs.clear()
    try:
        with transaction.atomic():
            for (app_key_pk, hour, column), times in sorted(events.items()):
                Traffic.objects.get_or_create(app_key_id=app_key_pk, hour=hour)
                Traffic.objects.filter(app_key=app_key_pk, hour=hour).update(**{column: F(column) + times})
            for (app_key_pk, field), (rule, times) in sorted(repairs.items()):
                Repair.objects.get_or_create(
                    app_key_id=app_key_pk, field=field, defaults={"rule": rule, "last_at": timezone.now()}
                )
                changes = {"rule": rule, "times": F("times") + times, "last_at": timezone.now()}
                Repair.objects.filter(app_key=app_key_pk, field=field).update(**changes)
    except DatabaseError as error:
        logger.warning("counting: the counts of the last seconds are lost: %s", error)


def start() -> None:
    """Write in the background from now on; a process that does not call this writes with each request."""
    global _flusher
    if _flusher:
        return
    _stopping.clear()
    _flusher = threading.Thread(target=_flush_now_and_then, name="counting", daemon=True)
    _flusher.start()


def stop() -> None:
    """Write what is left."""
    global _flusher
    if _flusher:
        _stopping.set()
        _flusher.join()
        _flusher = None


def _flush_now_and_then() -> None:
    stopped = False
    while not stopped:
        stopped = _stopping.wait(FLUSH_SECONDS)
        if _events or _repairs:
            flush()
            close_old_connections()
