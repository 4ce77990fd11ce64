"""Rounds of correlation, which bring incidents up to date with alerts (docs/how-it-works.md §4.1).

Rounds are level-triggered: a round processes the alerts that are behind, whatever message started it. One process at a
time runs rounds.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone

import bpql
from alerts.events import shown
from alerts.models import Alert, Event, key_at
from appkeys.models import AppKey
from db import bulk
from incidents import correlation_lock
from incidents.correlation import correlation_log, maintenance, rules
from incidents.correlation.backlog import behind
from incidents.correlation.candidates import StoredCandidates
from incidents.correlation.decide import Decision, as_data
from incidents.correlation.rollup import AlertSnapshot, IncidentRollup, save_rollups
from incidents.environments import placement
from incidents.models import CorrelationBatch, Incident
from incidents.search import index
from telemetry import counts

logger = logging.getLogger(__name__)
BATCH_SIZE = 500  # alerts
# During a storm, correlation gives way to ingest: after each batch it pauses for a multiple of the batch's duration. A
# storm is more than a thousand events a second, and more than a fraction of what correlation could process. A long
# storm delays correlation for a limited time only.
STORM_EVENTS = 500  # within RECENT
STORM_SHARE = 1 / 4
STORM_PAUSE = 9  # times the duration of the batch
LONGEST_PAUSE = 1.0  # seconds
LONGEST_YIELD = 30.0  # seconds of one storm
CALM_SECONDS = 2.0  # without a storm, after which the next storm is a new one
RECENT = timedelta(seconds=0.5)
# Other users of SQLite's one write lock ask for it ten times a second. With a shorter pause, the next batch would
# always be first.
SQLITE_PAUSE = 0.15  # seconds
TICK = "correlation"  # as `/readyz` asks for it
_running = threading.Lock()


@dataclass
class StormPacing:
    """A storm's first and latest observation while correlation is behind, in seconds of one clock."""

    began_at: float | None = None
    seen_at: float = -math.inf

    def gives_way(self, now: float, *, is_storm: bool) -> bool:
        """Return whether correlation gives way to ingest, given whether there is a storm now."""
        if is_storm:
            self.seen_at = now
            self.began_at = now if self.began_at is None else self.began_at
        elif now - self.seen_at > CALM_SECONDS:
            self.began_at = None
        return is_storm and self.began_at is not None and now - self.began_at < LONGEST_YIELD


def correlate_behind() -> int:
    """Correlate every alert that is behind, and return the number of alerts. A second run changes nothing.

    One thread per process correlates at a time. A second caller returns at once, because the first one looks again at
    the end.
    """
    total = 0
    while behind().exists():
        if not _running.acquire(blocking=False):
            return total
        try:
            count = _catch_up()
        finally:
            _running.release()
        if not count:
            break  # another process has correlated everything
        total += count
    counts.tick(TICK)
    return total


def first_behind() -> tuple[int, int] | None:
    """Return the key and the correlated revision of the first alert that is behind. Both stay while nobody correlates."""
    return behind().order_by("pk").values_list("pk", "correlated_revision").first()


def _catch_up() -> int:
    total, pacing = 0, StormPacing()
    began = time.monotonic()
    while count := correlate_batch():
        total += count
        counts.tick(TICK)
        time.sleep(_pause(count, time.monotonic() - began, pacing))
        began = time.monotonic()
    return total


def _pause(count: int, elapsed: float, pacing: StormPacing) -> float:
    """Return the seconds to pause after a batch of `count` alerts that took `elapsed` seconds."""
    received = Event.objects.filter(pk__gte=key_at(timezone.now() - RECENT)).count()
    is_storm = received > STORM_EVENTS and received * elapsed > STORM_SHARE * count * RECENT.total_seconds()
    gives_way = pacing.gives_way(time.monotonic(), is_storm=is_storm)
    shortest = SQLITE_PAUSE if count == BATCH_SIZE and connection.vendor == "sqlite" else 0.0
    return min(LONGEST_PAUSE, max(shortest, STORM_PAUSE * elapsed if gives_way else 0.0))


def correlate_batch() -> int:
    """Correlate up to BATCH_SIZE alerts that are behind, and return the number of alerts.

    1. Hold the correlation lock, read the alerts and lock their rows.
    2. Mark the alerts that are in maintenance.
    3. For each alert in the order of the first events: update the incident that the alert is in, or find an incident,
       or open one.
    4. Write incidents, matchers, alerts, activities and the correlation batch, each as a set.
    """
    with _transaction_without_disk_wait():
        correlation_lock.hold()
        alerts = _read_behind()
        if not alerts:
            return 0
        batch = _Batch(alerts, timezone.now())
        for alert in alerts:
            batch.correlate(alert)
        batch.write()
    logger.info("correlation: %d alerts, %d incidents", len(alerts), len(batch.candidates.rollups))
    return len(alerts)


@contextmanager
def _transaction_without_disk_wait() -> Iterator[None]:
    """Open a transaction whose commit does not wait for the disk.

    Ingest then waits less for the disk, as `bench.ingest` measures. The rows follow from alerts that are on the disk
    already. If a crash of the database takes them back, the alerts are behind again. A later commit is never kept
    without this one, because the database writes its log in the order of the commits.
    """
    # SQLite refuses the setting inside a transaction.
    is_own = connection.vendor == "sqlite" and not connection.in_atomic_block
    try:
        if is_own:
            _execute("PRAGMA synchronous=NORMAL")
        with transaction.atomic():
            if connection.vendor == "postgresql":
                _execute("SET LOCAL synchronous_commit = off")
            yield
    finally:
        if is_own:
            _execute("PRAGMA synchronous=FULL")


def _execute(setting: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(setting)


def _read_behind() -> list[AlertSnapshot]:
    # Rows are locked in the order of the primary key, as ingest writes them, so that the two do not deadlock.
    locked = behind().select_for_update(of=("self",)).order_by("pk")
    # fmt: off
    rows = bulk.rows_of(locked.values_list(
        "pk", "identifier", "app_key_id", "status", "severity", "tags", "primary_property", "secondary_property",
        "started_at", "changed_at", "status_changes", "revision", "correlated_revision", "incident_id", "counted_status", "maintenance_plan_id",
    )[:BATCH_SIZE])
    # fmt: on
    app_keys = AppKey.objects.only("source_system", "name").in_bulk({row[2] for row in rows})
    alerts = []
    for pk, identifier, app_key, status, severity, tags, primary, secondary, *further in rows:
        source = app_keys[app_key].source_system, app_keys[app_key].name
        values = shown(tags.get(primary, "")), shown(tags.get(secondary, ""))
        alert = AlertSnapshot(pk, identifier, *source, status, severity, tags, *values, *further)
        alert.counted_in_maintenance = alert.is_in_maintenance
        alerts.append(alert)
    return alerts


class _Batch:
    """The alerts of one correlation batch, with the incidents that they are in or may join."""

    def __init__(self, alerts: list[AlertSnapshot], now: datetime) -> None:
        self.alerts, self.now = alerts, now
        self.patterns = rules.in_force()
        self.candidates = StoredCandidates(alerts, self.patterns)
        self.marked = maintenance.mark(alerts, self.candidates.subjects, now)
        self.decisions: dict[int, Decision] = {}  # by alert that had no incident
        self.slots: dict[int, int] = {}  # of their incidents, by alert that had no incident
        self.touched: set[int] = set()  # slots

    def correlate(self, alert: AlertSnapshot) -> None:
        candidates = self.candidates
        if alert.incident_id:
            slot = alert.incident_id
            candidates.update(slot, alert, self.now)
        elif alert.needs_incident:
            subject, matches = candidates.subjects[alert.pk], candidates.matches[alert.pk]
            slot, decision = candidates.join_or_open(alert, subject, matches, self.now)
            self.slots[alert.pk], self.decisions[alert.pk] = slot, decision
        else:
            return  # an alert that never was active gets no incident
        self.touched.add(slot)

    def write(self) -> None:
        """Write incidents, the correlation batch, alerts, search texts and environments, each as a set."""
        rollups = [self.candidates.rollups[slot] for slot in sorted(self.touched)]
        for rollup in rollups:
            rollup.record_joined(self.now)
        save_rollups(rollups)
        self._write_alerts(self._record())
        index.keep([alert.pk for alert in self.alerts])
        index.keep_of([rollup.incident.pk for rollup in rollups if rollup.reopened])
        self._place_incidents()

    def _record(self) -> CorrelationBatch:
        seen = (
            (alert.pk, max(1, alert.correlated_revision) if alert.incident_id else 0, alert.revision)
            for alert in self.alerts
        )
        plans = [(alert.pk, alert.maintenance_plan_id) for alert in self.alerts if alert.maintenance_plan_id]
        return correlation_log.record_correlated(seen, plans, self.patterns, self.now)

    def _write_alerts(self, batch: CorrelationBatch) -> None:
        for alert in self.alerts:
            alert.correlated_revision = alert.revision
            alert.search_text = bpql.search_text(self.candidates.subjects[alert.pk].folded)
        decided = [alert for alert in self.alerts if alert.pk in self.slots]
        for alert in decided:
            alert.incident_id = self._incident_pk(self.slots[alert.pk])
            decision = self.decisions[alert.pk]
            alert.decision = as_data(decision, self._incident_pk, batch=batch.pk, revision=alert.revision)
        bulk.save(
            decided, ["incident", "correlated_revision", "counted_status", "search_text", "decision"], model=Alert
        )
        others = [alert for alert in self.alerts if alert.pk not in self.slots]
        bulk.save(others, ["correlated_revision", "counted_status", "search_text"], model=Alert)
        bulk.save(self.marked, ["maintenance_plan"], model=Alert)

    def _place_incidents(self) -> None:
        """Update the environments of the touched incidents, and announce them after the commit."""
        changes: dict[int, placement.AlertChanges] = defaultdict(placement.AlertChanges)
        for alert in self.alerts:
            if alert.incident_id:
                of_incident = changes[alert.incident_id]
                subjects = of_incident.joined if alert.pk in self.slots else of_incident.changed
                subjects.append(self.candidates.subjects[alert.pk])
        placement.place_after_alerts(changes)

    def _incident_pk(self, slot: int) -> int:
        return self.candidates.rollups[slot].incident.pk


def end_flapping() -> int:
    """End the flapping of incidents of which no alert flaps any more (docs/wire-contract.md §3.7).

    Return the number of incidents.
    """
    now = timezone.now()
    if not Incident.objects.filter(flapping=True, flapping_until__lte=now).exists():
        return 0
    with transaction.atomic():
        correlation_lock.hold()
        incidents = Incident.objects.select_for_update(of=("self",)).filter(flapping=True, flapping_until__lte=now)
        rollups = [IncidentRollup(incident) for incident in incidents.order_by("pk")]
        ended = [rollup for rollup in rollups if rollup.end_flapping(now)]
        save_rollups(ended)
        placement.place([rollup.incident.pk for rollup in ended])
    return len(ended)
