"""Bring incidents up to date with alerts: level-triggered, in groups, one at a time per domain (docs/how-it-works.md §4)."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

import bpql
from alerts.events import shown
from alerts.models import Alert, Event, key_at
from appkeys.models import AppKey
from db import bulk
from incidents import correlation_lock
from incidents.correlation import correlation_log, maintenance, rules
from incidents.correlation.candidates import CandidateIndex
from incidents.correlation.decide import Decision, Match, Matches, Pattern, as_data
from incidents.correlation.matchers import incidents_of_any_source, matchers_of, reachable_incidents
from incidents.correlation.rollup import HANDLING_FIELDS, ROLLUP_FIELDS, AlertSnapshot, IncidentRollup, write_matchers
from incidents.environments import placement
from incidents.models import CorrelationBatch, Incident
from incidents.search import index

logger = logging.getLogger(__name__)
GROUP = 500  # alerts
# In a storm, taking events goes before correlating them, for a while: it pauses after each group, for so many times as long as that took. A storm is
# a thousand events a second, and more than a fraction of what could be correlated. Of one that lasts longer, nothing waits longer.
STORM_EVENTS = 500  # lately
STORM = 1 / 4
STORM_PAUSE = 9
PAUSE_SECONDS = 1.0  # at most
WHILE_SECONDS = 30.0
CALM_SECONDS = 2.0  # without a storm: what comes then is another
LATELY = timedelta(seconds=0.5)
_at_it = threading.Lock()


@dataclass
class StormPacing:
    """What is seen of storms while correlation is behind, at one look after another; in seconds of one clock."""

    began_at: float | None = None
    seen_at: float = -math.inf

    def goes_first(self, now: float, *, is_seen: bool) -> bool:
        """Whether there is one, and it goes before correlation still."""
        if is_seen:
            self.seen_at = now
            self.began_at = now if self.began_at is None else self.began_at
        elif now - self.seen_at > CALM_SECONDS:
            self.began_at = None
        return is_seen and self.began_at is not None and now - self.began_at < WHILE_SECONDS


def correlate_behind() -> int:
    """Correlate every alert that is behind; returns how many there were. Running it again changes nothing.

    One thread of a process is at it at a time. Whoever comes meanwhile leaves: the one at it looks again when it is done.
    """
    total = 0
    while _behind().exists() and _at_it.acquire(blocking=False):
        try:
            count = _catch_up()
        finally:
            _at_it.release()
        if not count:
            break  # another process was at it, and left nothing
        total += count
    return total


def _behind() -> QuerySet[Alert]:
    return Alert.objects.filter(revision__gt=F("correlated_revision"))


def _catch_up() -> int:
    total, storm = 0, StormPacing()
    began = time.monotonic()
    while count := _correlate_group():
        total += count
        time.sleep(_pause(count, time.monotonic() - began, storm))
        began = time.monotonic()
    return total


def _pause(count: int, elapsed: float, storm: StormPacing) -> float:
    """Seconds to leave to others after a group of so many alerts that took so long (bench/ingest.py)."""
    came = Event.objects.filter(pk__gte=key_at(timezone.now() - LATELY)).count()
    is_storm = came > STORM_EVENTS and came * elapsed > STORM * count * LATELY.total_seconds()
    gives_way = storm.goes_first(time.monotonic(), is_seen=is_storm)
    # Who waits for SQLite's one lock asks for it ten times a second; without a turn that long we would take it again before them.
    turn = 0.15 if count == GROUP and connection.vendor == "sqlite" else 0.0
    return min(PAUSE_SECONDS, max(turn, STORM_PAUSE * elapsed if gives_way else 0.0))


def _correlate_group() -> int:
    """Up to GROUP alerts that are behind, in the order of their first events.

    1. Hold the domain, read the alerts, lock them.
    2. Note which of them are in maintenance.
    3. Take each in order: find or open its incident, or follow it in the incident it is in.
    4. Write incidents, matchers, alerts, activities and the turn itself, each as a set, and mark the revisions seen.
    """
    with _derived():
        correlation_lock.hold()
        alerts = _read_behind()
        if not alerts:
            return 0
        group = _Group(alerts, timezone.now())
        for alert in alerts:
            group.take(alert)
        group.write()
    logger.info("correlation: %d alerts, %d incidents", len(alerts), len(group.candidates.rollups))
    return len(alerts)


@contextmanager
def _derived() -> Iterator[None]:
    """A transaction that does not wait for the disk, so that taking events waits less for it (bench/ingest.py).

    What it writes follows from alerts that are on the disk already: where a crash of the database takes it back, they are behind again.
    Nothing that builds on it is kept without it, since the database's log is in the order of the commits.
    """
    is_own = connection.vendor == "sqlite" and not connection.in_atomic_block  # inside one SQLite refuses
    try:
        if is_own:
            _say("PRAGMA synchronous=NORMAL")
        with transaction.atomic():
            if connection.vendor == "postgresql":
                _say("SET LOCAL synchronous_commit = off")
            yield
    finally:
        if is_own:
            _say("PRAGMA synchronous=FULL")


def _say(setting: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(setting)


def _read_behind() -> list[AlertSnapshot]:
    # Locked in order of the key, as ingest writes them, so that the two do not wait for each other.
    locked = _behind().select_for_update(of=("self",)).order_by("pk")
    # fmt: off
    rows = bulk.rows_of(locked.values_list(
        "pk", "identifier", "app_key_id", "status", "severity", "tags", "primary_property", "secondary_property",
        "started_at", "changed_at", "status_changes", "revision", "correlated_revision", "incident_id", "counted_status", "maintenance_plan_id",
    )[:GROUP])
    # fmt: on
    app_keys = AppKey.objects.only("source_system", "name").in_bulk({row[2] for row in rows})
    alerts = []
    for pk, identifier, app_key, status, severity, tags, primary, secondary, *further in rows:
        source = app_keys[app_key].source_system, app_keys[app_key].name
        values = shown(tags.get(primary, "")), shown(tags.get(secondary, ""))
        seen = AlertSnapshot(pk, identifier, *source, status, severity, tags, *values, *further)
        seen.counted_in_maintenance = seen.is_in_maintenance
        alerts.append(seen)
    return alerts


class _StoredCandidates(CandidateIndex[IncidentRollup]):
    """The incidents of the database, by their keys; read where an alert looks for one. Those that are opened come after them."""

    def __init__(self, alerts: Sequence[AlertSnapshot], patterns: Sequence[Pattern]) -> None:
        super().__init__(IncidentRollup, alerts_per_incident=settings.ALERTS_PER_INCIDENT, first_place=2**63)
        self.subjects = {alert.pk: alert.subject for alert in alerts}
        self.matches = {
            alert.pk: Matches(self.subjects[alert.pk], patterns) for alert in alerts if alert.needs_incident
        }
        self._read({alert.incident_id for alert in alerts if alert.incident_id})
        self._known: set[str] = set()  # keys
        if starts := [alert.started_at for alert in alerts if alert.needs_incident]:
            reach = max((pattern.time_window for pattern in patterns), default=timedelta())
            self._since, self._anchors = min(starts), (min(starts) - reach, max(starts) + reach)
            self._look_up(self._leading())

    def places(self, key: str) -> Sequence[int]:
        if key not in self._known:
            self._look_up(chain(*self.matches.values()))
        return super().places(key)

    def _leading(self) -> Iterator[Match]:
        """Where several alerts have the first match in common, most often the first of them finds or opens an incident for all."""
        firsts: set[str] = set()
        for matches in self.matches.values():
            first = next(iter(matches), None)
            if first and first.key not in firsts:
                firsts.add(first.key)
                yield from matches

    def _look_up(self, matches: Iterable[Match]) -> None:
        wanted = list(matches)
        keys = {match.key for match in wanted} - self._known
        of_any_source = {match.any_source_key for match in wanted if match.any_source_key} - self._known
        self._known |= keys | of_any_source
        found = reachable_incidents(keys, self._since, self._anchors) | incidents_of_any_source(of_any_source)
        self._read(found - self.rollups.keys())

    def _read(self, incidents: set[int]) -> None:
        matchers = matchers_of(incidents, valid=True)
        for incident in Incident.objects.filter(pk__in=incidents):
            self.put(IncidentRollup(incident, matchers[incident.pk]), incident.pk)


class _Group:
    """The alerts of one group, and every incident that they are in or may join."""

    def __init__(self, alerts: list[AlertSnapshot], now: datetime) -> None:
        self.alerts, self.now = alerts, now
        self.patterns = rules.in_force()
        self.candidates = _StoredCandidates(alerts, self.patterns)
        self.marked = maintenance.mark(alerts, self.candidates.subjects, now)
        self.decisions: dict[int, Decision] = {}  # by alert, as are the places they come to
        self.places: dict[int, int] = {}
        self.touched: set[int] = set()

    def take(self, alert: AlertSnapshot) -> None:
        if alert.incident_id:
            place = alert.incident_id
            self.candidates.follow(place, alert, self.now)
        elif alert.needs_incident:
            subject, matches = self.candidates.subjects[alert.pk], self.candidates.matches[alert.pk]
            place, decision = self.candidates.place(alert, subject, matches, self.now)
            self.places[alert.pk], self.decisions[alert.pk] = place, decision
        else:
            return  # it never was active: nothing to show
        self.touched.add(place)

    def write(self) -> None:
        touched = [self.candidates.rollups[place] for place in sorted(self.touched)]
        begun = [rollup for rollup in touched if rollup.incident.pk is None]
        known = [each for each in touched if each.incident.pk is not None]
        bulk.save([each.incident for each in known], ROLLUP_FIELDS)
        bulk.save([each.incident for each in known if each.handling_changed], HANDLING_FIELDS)
        bulk.create([each.incident for each in begun])
        followers = [rollup for rollup in begun if rollup.follows]
        for rollup in followers:
            rollup.incident.follows = rollup.follows  # whose key is known only now
        bulk.save([rollup.incident for rollup in followers], ["follows"])
        write_matchers([rollup for rollup in touched if rollup.matchers_changed])
        for rollup in touched:
            rollup.record_joined(self.now)
            for activity in rollup.activities:
                activity.incident_id = rollup.incident.pk  # known only now where it has just been opened
        bulk.create([activity for rollup in touched for activity in rollup.activities])
        looks = (
            (alert.pk, max(1, alert.correlated_revision) if alert.incident_id else 0, alert.revision)
            for alert in self.alerts
        )
        plans = [(alert.pk, alert.maintenance_plan_id) for alert in self.alerts if alert.maintenance_plan_id]
        self._write_alerts(correlation_log.record_correlated(looks, plans, self.patterns, self.now))
        index.keep([alert.pk for alert in self.alerts])
        index.keep_of([each.incident.pk for each in known if each.reopened])
        changes: dict[int, placement.AlertChanges] = defaultdict(placement.AlertChanges)
        for alert in self.alerts:
            if alert.incident_id:
                of_incident = changes[alert.incident_id]
                alerts = of_incident.joined if alert.pk in self.places else of_incident.changed
                alerts.append(self.candidates.subjects[alert.pk])
        placement.place_after_alerts(changes)

    def _write_alerts(self, turn: CorrelationBatch) -> None:
        for alert in self.alerts:
            alert.correlated_revision = alert.revision
            alert.search_text = bpql.search_text(self.candidates.subjects[alert.pk].folded)
        placed = [alert for alert in self.alerts if alert.pk in self.places]
        for alert in placed:
            alert.incident_id = self._incident_pk(self.places[alert.pk])
            decision = self.decisions[alert.pk]
            alert.decision = as_data(decision, self._incident_pk, turn=turn.pk, revision=alert.revision)
        bulk.save(placed, ["incident", "correlated_revision", "counted_status", "search_text", "decision"], model=Alert)
        followed = [alert for alert in self.alerts if alert.pk not in self.places]
        bulk.save(followed, ["correlated_revision", "counted_status", "search_text"], model=Alert)
        bulk.save(self.marked, ["maintenance_plan"], model=Alert)

    def _incident_pk(self, place: int) -> int:
        return self.candidates.rollups[place].incident.pk


def end_flapping() -> int:
    """End the flapping of incidents none of whose alerts flaps any more; returns how many there were (docs/wire-contract.md §3.7)."""
    now = timezone.now()
    if not Incident.objects.filter(flapping=True, flapping_until__lte=now).exists():
        return 0
    with transaction.atomic():
        correlation_lock.hold()
        incidents = Incident.objects.select_for_update(of=("self",)).filter(flapping=True, flapping_until__lte=now)
        rollups = [IncidentRollup(incident) for incident in incidents.order_by("pk")]
        calmed = [rollup for rollup in rollups if rollup.end_flapping(now)]
        bulk.save([rollup.incident for rollup in calmed], ["flapping", "flapping_until", "flapping_changes"])
        bulk.create([activity for rollup in calmed for activity in rollup.activities])
        placement.place([rollup.incident.pk for rollup in calmed])
    return len(calmed)
