"""Bring incidents up to date with alerts: level-triggered, in groups, one at a time per domain (engine.md, Correlation)."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Max, Q, QuerySet
from django.utils import timezone

from alerts import sets
from alerts.events import shown
from alerts.models import Alert, Event, moment_of
from appkeys.models import AppKey
from incidents import domain, environments, reasons, rules, sequence
from incidents.board import Board
from incidents.correlation import Decision, matching
from incidents.gathering import HANDLED, ROLLED_UP, Gathering, Seen
from incidents.models import Activity, Incident, Matcher, Turn

logger = logging.getLogger(__name__)
GROUP = 500  # alerts
# While events pour in faster than they are correlated, correlation pauses after each group, for so many times as long as that took.
STORM_PAUSE = 4
PAUSE_SECONDS = 0.5  # at most
STORM_LULL = timedelta(seconds=0.5)
_at_it = threading.Lock()


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
    total = 0
    began = time.monotonic()
    while count := _correlate_group():
        total += count
        if count == GROUP:
            time.sleep(min(PAUSE_SECONDS, _pause(time.monotonic() - began)))
        began = time.monotonic()
    return total


def _pause(elapsed: float) -> float:
    """Seconds to leave to others after a full group: where events pour in, taking them goes before correlating (bench/ingest.py)."""
    newest = Event.objects.order_by("-pk").values_list("pk", flat=True).first()
    events_pour_in = newest is not None and timezone.now() - moment_of(newest) < STORM_LULL
    # Who waits for SQLite's one lock asks for it ten times a second; without a turn that long we would take it again before them.
    turn = 0.15 if connection.vendor == "sqlite" else 0.0
    return max(turn, STORM_PAUSE * elapsed if events_pour_in else 0.0)


def _correlate_group() -> int:
    """Up to GROUP alerts that are behind, in the order of their first events.

    1. Hold the domain, read the alerts, lock them.
    2. Take each in order: find or open its incident, or follow it in the incident it is in.
    3. Write incidents, matchers, alerts, activities and the turn itself, each as a set, and mark the revisions seen.
    """
    with transaction.atomic():
        domain.hold()
        alerts = _read_behind()
        if not alerts:
            return 0
        group = _Group(alerts, timezone.now())
        for alert in alerts:
            group.take(alert)
        group.write()
    logger.info("correlation: %d alerts, %d incidents", len(alerts), len(group.board.gatherings))
    return len(alerts)


def _read_behind() -> list[Seen]:
    # Locked in order of the key, as ingest writes them, so that the two do not wait for each other.
    locked = _behind().select_for_update(of=("self",)).order_by("pk")
    # fmt: off
    rows: list[Any] = list(locked.values_list(
        "pk", "identifier", "app_key_id", "status", "severity", "tags", "primary_property", "secondary_property",
        "started_at", "changed_at", "status_changes", "revision", "correlated_revision", "incident_id", "counted_status",
    )[:GROUP])
    # fmt: on
    app_keys = AppKey.objects.only("source_system", "name").in_bulk({row[2] for row in rows})
    alerts = []
    for pk, identifier, app_key, status, severity, tags, primary, secondary, *further in rows:
        source = app_keys[app_key].source_system, app_keys[app_key].name
        values = shown(tags.get(primary, "")), shown(tags.get(secondary, ""))
        alerts.append(Seen(pk, identifier, *source, status, severity, tags, *values, *further))
    return alerts


class _Group:
    """The alerts of one group, and every incident that they are in or may join."""

    def __init__(self, alerts: list[Seen], now: datetime) -> None:
        self.alerts, self.now = alerts, now
        self.patterns = rules.in_force()
        self.subjects = {alert.pk: alert.subject for alert in alerts if alert.needs_incident}
        self.matches = {pk: matching(subject, self.patterns) for pk, subject in self.subjects.items()}
        self.board = Board(Gathering, alerts_per_incident=settings.ALERTS_PER_INCIDENT)
        self.place_of: dict[int, int] = {}  # incident key -> place on the board
        self.decisions: dict[int, Decision] = {}  # by alert, as are the places they come to
        self.places: dict[int, int] = {}
        self.touched: set[int] = set()
        self._load()

    def _load(self) -> None:
        found = {alert.incident_id for alert in self.alerts if alert.incident_id}
        if wanted := [match for matches in self.matches.values() for match in matches]:
            found |= self._reachable({match.key for match in wanted})
            found |= _of_any_source({match.any_source_key for match in wanted if match.any_source_key})
        matchers: dict[int, list[Matcher]] = defaultdict(list)
        for matcher in Matcher.objects.filter(incident__in=found, valid=True).order_by("pk"):
            matchers[matcher.incident_id].append(matcher)
        for incident in Incident.objects.filter(pk__in=found).order_by("pk"):
            for matcher in matchers[incident.pk]:
                matcher.incident = incident
            self.place_of[incident.pk] = self.board.add(Gathering(incident, matchers[incident.pk]))

    def _reachable(self, keys: set[UUID]) -> set[int]:
        """Incidents that an alert of the group may join: by key, in any window's reach.

        Of a key that none of those has, the open or the latest one in reach, to say why not.
        """
        starts = [subject.started_at for subject in self.subjects.values()]
        reach = max((pattern.time_window for pattern in self.patterns), default=timedelta())
        in_reach = Q(anchor_at__range=(min(starts) - reach, max(starts) + reach))
        open_then = Q(incident__resolved_at=None) | Q(incident__resolved_at__gt=min(starts), incident__resolved_by=None)
        leading = Matcher.objects.filter(key__in=keys, valid=True)
        found = list(leading.filter(Q(open=True) | in_reach, open_then).values_list("key", "incident"))
        missing = keys - {key for key, _ in found}
        unmatched = Matcher.objects.filter(in_reach, key__in=missing, valid=True)
        closed = unmatched.values("key").annotate(latest=Max("incident"))
        return {incident for _, incident in found} | {row["latest"] for row in closed}

    def take(self, alert: Seen) -> None:
        if alert.incident_id:
            place = self.place_of[alert.incident_id]
            self.board.follow(place, alert, self.now)
        elif subject := self.subjects.get(alert.pk):
            place, decision = self.board.place(alert, subject, self.matches[alert.pk], self.now)
            self.places[alert.pk], self.decisions[alert.pk] = place, decision
        else:
            return  # it never was active: nothing to show
        self.touched.add(place)

    def write(self) -> None:
        touched = [self.board.gatherings[place] for place in sorted(self.touched)]
        begun = [gathering for gathering in touched if gathering.incident.pk is None]
        known = [each for each in touched if each.incident.pk is not None]
        sets.save([each.incident for each in known], ROLLED_UP)
        sets.save([each.incident for each in known if each.handled_anew], HANDLED)
        Incident.objects.bulk_create([each.incident for each in begun])
        followers = [gathering for gathering in begun if gathering.follows]
        for gathering in followers:
            gathering.incident.follows = gathering.follows  # whose key is known only now
        sets.save([gathering.incident for gathering in followers], ["follows"])
        write_matchers([gathering for gathering in touched if gathering.matchers_changed])
        for gathering in touched:
            gathering.note_joined(self.now)
        Activity.objects.bulk_create(activity for gathering in touched for activity in gathering.activities)
        seen = (
            (alert.pk, max(1, alert.correlated_revision) if alert.incident_id else 0, alert.revision)
            for alert in self.alerts
        )
        self._write_alerts(sequence.note_correlated(seen, self.patterns, self.now))
        environments.follow([gathering.incident.pk for gathering in touched])

    def _write_alerts(self, turn: Turn) -> None:
        for alert in self.alerts:
            alert.correlated_revision = alert.revision
        placed = [alert for alert in self.alerts if alert.pk in self.places]
        for alert in placed:
            alert.incident_id = self._incident_pk(self.places[alert.pk])
            decision = self.decisions[alert.pk]
            alert.decision = reasons.as_data(decision, self._incident_pk, turn=turn.pk, revision=alert.revision)
        sets.save(placed, ["incident", "correlated_revision", "counted_status", "search_text", "decision"], model=Alert)
        followed = [alert for alert in self.alerts if alert.pk not in self.places]
        sets.save(followed, ["correlated_revision", "counted_status", "search_text"], model=Alert)

    def _incident_pk(self, place: int) -> int:
        return self.board.gatherings[place].incident.pk


def calm_down() -> int:
    """End the flapping of incidents none of whose alerts flaps any more; returns how many there were (bigpanda.md §2.7)."""
    now = timezone.now()
    if not Incident.objects.filter(flapping=True, flapping_until__lte=now).exists():
        return 0
    with transaction.atomic():
        domain.hold()
        incidents = Incident.objects.select_for_update(of=("self",)).filter(flapping=True, flapping_until__lte=now)
        gatherings = [Gathering(incident) for incident in incidents.order_by("pk")]
        calmed = [gathering for gathering in gatherings if gathering.calm_down(now)]
        sets.save([gathering.incident for gathering in calmed], ["flapping", "flapping_until", "flapping_changes"])
        Activity.objects.bulk_create(activity for gathering in calmed for activity in gathering.activities)
        environments.follow([gathering.incident.pk for gathering in calmed])
    return len(calmed)


def _of_any_source(keys: set[UUID]) -> set[int]:
    """Open incidents that only their source keeps an alert from, to say why not."""
    if not keys:
        return set()
    leading = Matcher.objects.filter(any_source_key__in=keys, open=True)
    return set(leading.values_list("incident", flat=True))


def write_matchers(gatherings: Iterable[Gathering]) -> None:
    """Write the matchers of incidents that changed; of each key one at most stays open, that of the incident opened last.

    Closed first and opened last, since the constraint lets no two be open in between.
    """
    matchers = [matcher for gathering in gatherings for matcher in gathering.matchers]
    for matcher in matchers:
        matcher.incident_id = matcher.incident.pk
    latest = {
        matcher.key: matcher for matcher in sorted(matchers, key=lambda matcher: matcher.incident_id) if matcher.open
    }
    elsewhere = Matcher.objects.filter(key__in=latest, open=True).exclude(
        incident__in={matcher.incident_id for matcher in matchers}
    )
    superseded = []
    for other in elsewhere:
        if other.incident_id > latest[other.key].incident_id:
            del latest[other.key]
        else:
            superseded.append(other.pk)
    for matcher in matchers:
        matcher.open = latest.get(matcher.key) is matcher
    known = [matcher for matcher in matchers if matcher.pk]
    superseded += [matcher.pk for matcher in known if not matcher.open]
    Matcher.objects.filter(pk__in=superseded).update(open=False)
    sets.save(known, ["valid", "narrowed_at", "open", "anchor_at"])
    Matcher.objects.bulk_create([matcher for matcher in matchers if not matcher.pk])
