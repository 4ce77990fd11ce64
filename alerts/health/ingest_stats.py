"""How much each App Key sends, and what had to be repaired in it: counted in memory, written every few seconds (docs/how-it-works.md §2.2).

A process that is killed loses the counts of its last seconds; a lost count is no lost event.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from django.db import DatabaseError, close_old_connections, transaction
from django.db.models import F
from django.utils import timezone

from alerts.events import IncomingEvent
from alerts.ingest.ingest import IngestOutcome
from alerts.models import Health, Repair, Traffic
from appkeys.models import AppKey

logger = logging.getLogger(__name__)
FLUSH_SECONDS = 2.0
COUNTED_AT_ONCE = 500  # events: counted one by one they would cost several times as much


class Seen(NamedTuple):
    """What a doctor asks about the events since the last flush: the newest, when it came, and the one with most tags."""

    last: IncomingEvent
    at: datetime
    largest: IncomingEvent


_lock = threading.Lock()
_waiting: list[tuple[datetime, Sequence[tuple[AppKey, IncomingEvent]], Sequence[IngestOutcome], Iterable[AppKey]]] = []
_waiting_events = 0
_events: Counter[tuple[int, datetime, str]] = Counter()  # App Key, hour, column of Traffic
_repairs: dict[tuple[int, str], tuple[str, int]] = {}  # App Key and field -> the last rule, how often
_seen: dict[int, Seen] = {}  # by App Key
_flusher: threading.Thread | None = None
_stopping = threading.Event()


def count(
    taken: Sequence[tuple[AppKey, IncomingEvent]], outcomes: Sequence[IngestOutcome], rejected: Iterable[AppKey] = ()
) -> None:
    """Count what became of a request's events, and the rejects whose App Key is known."""
    global _waiting_events
    with _lock:
        _waiting.append((datetime.now(UTC), taken, outcomes, rejected))
        _waiting_events += len(taken)
        if _waiting_events >= COUNTED_AT_ONCE:
            _add_up()
    if _flusher is None:
        flush()


def _add_up() -> None:
    """Count what waits, all of it as of the newest, which came seconds later at most."""
    global _waiting_events
    if not _waiting:
        return
    now = _waiting[-1][0]
    hour = now.replace(minute=0, second=0, microsecond=0)
    sent: defaultdict[int, list[IncomingEvent]] = defaultdict(list)  # by App Key
    accepted: defaultdict[int, int] = defaultdict(int)
    for _, taken, outcomes, rejected in _waiting:
        for (app_key, event), outcome in zip(taken, outcomes, strict=True):
            key = app_key.id  # `pk` costs more than all else here
            sent[key].append(event)
            accepted[key] += outcome is IngestOutcome.ACCEPTED
        for app_key in rejected:
            _events[app_key.pk, hour, "rejected"] += 1
    _waiting.clear()
    _waiting_events = 0
    for key, events in sent.items():
        _events[key, hour, "accepted"] += accepted[key]
        _events[key, hour, "duplicates"] += len(events) - accepted[key]
        largest = max(events, key=_size)
        known = _seen.get(key)
        if known and _size(known.largest) >= _size(largest):
            largest = known.largest
        _seen[key] = Seen(events[-1], now, largest)
        for event in events:
            for note in event.notes:
                _, times = _repairs.get((key, note.field), ("", 0))
                _repairs[key, note.field] = note.rule, times + 1


def _size(event: IncomingEvent) -> int:
    return len(event.tags)


def flush() -> None:
    """Add what was counted to the database."""
    with _lock:
        _add_up()
        events, repairs, seen = dict(_events), dict(_repairs), dict(_seen)
        _events.clear()
        _seen.clear()
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
            for app_key_pk, each in sorted(seen.items()):
                _note_health(app_key_pk, each)
    except DatabaseError as error:
        logger.warning("counting: the counts of the last seconds are lost: %s", error)


def _note_health(app_key_pk: int, seen: Seen) -> None:
    occurred_at = seen.last.occurred_at
    skew = (occurred_at - seen.at).total_seconds() if occurred_at else None
    Health.objects.update_or_create(app_key_id=app_key_pk, defaults={"last_event_at": seen.at, "skew_seconds": skew})
    count, identity = len(seen.largest.tags), seen.largest.identity(app_key_pk)
    Health.objects.filter(pk=app_key_pk, most_tags__lt=count).update(most_tags=count, most_tags_identity=identity)


def start(also: Callable[[], None]) -> None:
    """Write in the background from now on, `also` what else waits; a process that does not call this writes with each request."""
    global _flusher
    if _flusher:
        return
    _stopping.clear()
    _flusher = threading.Thread(target=_flush_now_and_then, args=(also,), name="counting", daemon=True)
    _flusher.start()


def stop() -> None:
    """Write what is left."""
    global _flusher
    if _flusher:
        _stopping.set()
        _flusher.join()
        _flusher = None


def is_running() -> bool:
    """Whether what waits is written in the background."""
    return _flusher is not None


def _flush_now_and_then(also: Callable[[], None]) -> None:
    stopped = False
    while not stopped:
        stopped = _stopping.wait(FLUSH_SECONDS)
        if _waiting or _events:
            flush()
            also()
            close_old_connections()
