"""Ingest stats: what each App Key sends, by the hour, and what had to be repaired in it (docs/how-it-works.md §10)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from alerts.events import IncomingEvent
from alerts.ingest.ingest import IngestOutcome, Sent
from alerts.models import Health, Repair, Traffic
from appkeys.models import AppKey
from db.background_buffer import BackgroundBuffer
from telemetry import counts

COUNTED_AT_ONCE = 500  # events: counted one by one, events would cost several times as much


class IngestedRequest(NamedTuple):
    """The events of one or more requests with their outcomes, and the App Keys of rejected items."""

    at: datetime
    sent: Sent
    outcomes: Sequence[IngestOutcome]
    app_keys_of_rejects: Iterable[AppKey]


class SampledEvent(NamedTuple):
    """The newest event of an App Key since the last write, the time of its receipt, and the event with most tags."""

    newest: IncomingEvent
    received_at: datetime
    largest: IncomingEvent


@dataclass
class _Counts:
    """Counts since the last write."""

    events: Counter[tuple[int, datetime, str]] = field(default_factory=Counter)  # App Key, hour, column of Traffic
    # By App Key and field: the last rule, and how often.
    repairs: dict[tuple[int, str], tuple[str, int]] = field(default_factory=dict)
    samples: dict[int, SampledEvent] = field(default_factory=dict)  # by App Key

    def add_up(self, requests: list[IngestedRequest]) -> None:
        """Count requests, all of them at the time of the newest one, which came at most seconds later."""
        now = requests[-1].at
        hour = now.replace(minute=0, second=0, microsecond=0)
        sent: defaultdict[int, list[IncomingEvent]] = defaultdict(list)  # by App Key
        accepted: defaultdict[int, int] = defaultdict(int)
        for request in requests:
            for (app_key, event), outcome in zip(request.sent, request.outcomes, strict=True):
                key = app_key.id  # `pk` would cost more than the rest of the loop
                sent[key].append(event)
                accepted[key] += outcome is IngestOutcome.ACCEPTED
            for key, times in Counter(app_key.id for app_key in request.app_keys_of_rejects).items():
                self.events[key, hour, "rejected"] += times
        for key, events in sent.items():
            self.events[key, hour, "accepted"] += accepted[key]
            self.events[key, hour, "duplicates"] += len(events) - accepted[key]
            largest = max(events, key=_tag_count)
            known = self.samples.get(key)
            if known and _tag_count(known.largest) >= _tag_count(largest):
                largest = known.largest
            self.samples[key] = SampledEvent(events[-1], now, largest)
            for event in events:
                for note in event.notes:
                    _, times = self.repairs.get((key, note.field), ("", 0))
                    self.repairs[key, note.field] = note.rule, times + 1

    @transaction.atomic
    def write(self) -> None:
        for (app_key_pk, hour, column), times in sorted(self.events.items()):
            Traffic.objects.get_or_create(app_key_id=app_key_pk, hour=hour)
            Traffic.objects.filter(app_key=app_key_pk, hour=hour).update(**{column: F(column) + times})
        for (app_key_pk, name), (rule, times) in sorted(self.repairs.items()):
            Repair.objects.get_or_create(
                app_key_id=app_key_pk, field=name, defaults={"rule": rule, "last_at": timezone.now()}
            )
            changes = {"rule": rule, "times": F("times") + times, "last_at": timezone.now()}
            Repair.objects.filter(app_key=app_key_pk, field=name).update(**changes)
        for app_key_pk, sample in sorted(self.samples.items()):
            _write_health(app_key_pk, sample)


def _tag_count(event: IncomingEvent) -> int:
    return len(event.tags)


def _write_health(app_key_pk: int, sample: SampledEvent) -> None:
    occurred_at, received_at = sample.newest.occurred_at, sample.received_at
    skew = (occurred_at - received_at).total_seconds() if occurred_at else None
    Health.objects.update_or_create(
        app_key_id=app_key_pk, defaults={"last_event_at": received_at, "skew_seconds": skew}
    )
    count, identity = len(sample.largest.tags), sample.largest.identity(app_key_pk)
    Health.objects.filter(pk=app_key_pk, most_tags__lt=count).update(most_tags=count, most_tags_identity=identity)


buffer: BackgroundBuffer[IngestedRequest, _Counts] = BackgroundBuffer(
    "ingest stats", empty=_Counts, add_up=_Counts.add_up, write=_Counts.write, add_up_at=COUNTED_AT_ONCE
)


def count(sent: Sent, outcomes: Sequence[IngestOutcome], app_keys_of_rejects: Iterable[AppKey] = ()) -> None:
    """Count the events of requests by their outcomes, and the rejects of known App Keys."""
    accepted = outcomes.count(IngestOutcome.ACCEPTED)
    counts.count('console_events_total{outcome="accepted"}', accepted)
    counts.count('console_events_total{outcome="duplicate"}', len(outcomes) - accepted)
    buffer.add(IngestedRequest(datetime.now(UTC), sent, outcomes, app_keys_of_rejects), len(sent))
