"""Bring incidents up to date with alerts: level-triggered, in groups, one at a time per domain (engine.md, Correlation)."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from alerts import sets
from alerts.events import Status
from alerts.models import Alert, Event, moment_of
from incidents import domain, live
from incidents.correlation import Candidate, Decision, Pattern, Subject, decide, matches
from incidents.gathering import ROLLED_UP, Gathering
from incidents.models import Activity, CorrelationPattern, Incident, Matcher

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
        live.announce()
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
    3. Write incidents, matchers, alerts and activities, each as a set, and mark the revision seen.
    """
    with transaction.atomic():
        domain.hold()
        pks = list(_behind().order_by("pk").values_list("pk", flat=True)[:GROUP])
        if not pks:
            return 0
        # Locked in order of the key, as ingest writes them, so that the two do not wait for each other.
        alerts = list(
            Alert.objects.select_for_update(of=("self",)).select_related("app_key").filter(pk__in=pks).order_by("pk")
        )
        group = _Group(alerts, timezone.now())
        for alert in alerts:
            group.take(alert)
        group.write()
    logger.info("correlation: %d alerts, %d incidents", len(alerts), len(group.gatherings))
    return len(alerts)


class _Group:
    """The alerts of one group, and every incident that they are in or may join."""

    def __init__(self, alerts: list[Alert], now: datetime) -> None:
        self.alerts, self.now = alerts, now
        self.patterns = [_pattern(row) for row in CorrelationPattern.objects.filter(active=True)]
        self.subjects = {alert.pk: _subject(alert) for alert in alerts if _needs_incident(alert)}
        self.gatherings: list[Gathering] = []
        self.by_incident: dict[int, int] = {}  # incident key -> place in gatherings
        self.by_key: dict[UUID, list[int]] = defaultdict(list)  # matcher key -> places, the latest opened last
        self.decisions: dict[int, Decision] = {}  # by alert, as are the places they come to
        self.places: dict[int, int] = {}
        self.touched: set[int] = set()
        self._load()

    def _load(self) -> None:
        own = {alert.incident_id for alert in self.alerts if alert.incident_id}
        keys = {match.key for subject in self.subjects.values() for match in matches(subject, self.patterns)}
        reachable = self._reachable(keys) if keys else set()
        incidents = Incident.objects.filter(pk__in=own | reachable).order_by("pk")
        for incident in incidents:
            self.by_incident[incident.pk] = len(self.gatherings)
            self.gatherings.append(Gathering(incident))
        for matcher in Matcher.objects.filter(incident__in=self.by_incident, valid=True).order_by("incident", "pk"):
            place = self.by_incident[matcher.incident_id]
            gathering = self.gatherings[place]
            matcher.incident = gathering.incident
            gathering.matchers.append(matcher)
            self.by_key[matcher.key].append(place)

    def _reachable(self, keys: set[UUID]) -> set[int]:
        """Incidents that an alert of the group may join: by key, in any window's reach; and of each key the open one, to say why not."""
        starts = [subject.started_at for subject in self.subjects.values()]
        reach = max((pattern.time_window for pattern in self.patterns), default=timedelta())
        near = Q(open=True) | Q(anchor_at__range=(min(starts) - reach, max(starts) + reach))
        open_then = Q(incident__resolved_at=None) | Q(incident__resolved_at__gt=min(starts), incident__resolved_by=None)
        found = Matcher.objects.filter(near, open_then, key__in=keys, valid=True)
        return set(found.values_list("incident", flat=True))

    def take(self, alert: Alert) -> None:
        if alert.incident_id:
            place = self.by_incident[alert.incident_id]
            self.gatherings[place].follow(alert)
        elif alert.pk in self.subjects:
            place = self._place(alert)
        else:
            return  # it never was active: nothing to show
        self.touched.add(place)
        self.gatherings[place].settle(alert, self.now)

    def _place(self, alert: Alert) -> int:
        """Join the alert to an incident, or open one; returns its place."""
        subject = self.subjects[alert.pk]
        wanted = matches(subject, self.patterns)
        candidates = {match.key: self._candidates(match.key, subject.started_at) for match in wanted}
        decision = self.decisions[alert.pk] = decide(subject, self.patterns, candidates)
        if decision.incident is not None:
            self.gatherings[decision.incident].join(alert, decision)
            place = decision.incident
        else:
            follows = self.gatherings[decision.follows].incident if decision.follows is not None else None
            place = len(self.gatherings)
            self.gatherings.append(Gathering.opened_by(alert, decision, follows=follows, at=self.now))
            for match in wanted:
                self.by_key[match.key].append(place)
        self.places[alert.pk] = place
        return place

    def _candidates(self, key: UUID, at: datetime) -> list[Candidate]:
        return [
            Candidate(
                place,
                key,
                gathering.matchers[0].anchor_at,
                gathering.incident.alerts_count >= settings.ALERTS_PER_INCIDENT,
            )
            for place in self.by_key[key]
            if (gathering := self.gatherings[place]).leads(key, at)
        ]

    def write(self) -> None:
        touched = [self.gatherings[place] for place in sorted(self.touched)]
        begun = [gathering for gathering in touched if gathering.incident.pk is None]
        sets.save([each.incident for each in touched if each.incident.pk is not None], ROLLED_UP)
        Incident.objects.bulk_create([each.incident for each in begun])
        for gathering in begun:
            if gathering.follows:
                Incident.objects.filter(pk=gathering.incident.pk).update(follows=gathering.follows)
        write_matchers(touched)
        for gathering in touched:
            gathering.note_joined(self.now)
        Activity.objects.bulk_create(activity for gathering in touched for activity in gathering.activities)
        for alert in self.alerts:
            alert.correlated_revision = alert.revision
            if decision := self.decisions.get(alert.pk):
                alert.incident = self.gatherings[self.places[alert.pk]].incident  # its key is known only now
                alert.decision = decision.as_data(lambda place: self.gatherings[place].incident.pk)
        sets.save(self.alerts, ["incident", "correlated_revision", "counted_status", "decision"])


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
    for other in elsewhere:
        if other.incident_id > latest[other.key].incident_id:
            del latest[other.key]
        else:
            Matcher.objects.filter(pk=other.pk).update(open=False)
    for matcher in matchers:
        matcher.open = latest.get(matcher.key) is matcher
    known = [matcher for matcher in matchers if matcher.pk]
    Matcher.objects.filter(pk__in=[matcher.pk for matcher in known if not matcher.open]).update(open=False)
    sets.save(known, ["valid", "open"])
    Matcher.objects.bulk_create([matcher for matcher in matchers if not matcher.pk])


def _needs_incident(alert: Alert) -> bool:
    """Active now, or in passing since correlation last looked."""
    return alert.incident_id is None and alert.severity != Status.OK


def _pattern(row: CorrelationPattern) -> Pattern:
    return Pattern(row.pk, row.version, tuple(row.tags), timedelta(minutes=row.time_window), row.cross_source)


def _subject(alert: Alert) -> Subject:
    return Subject(alert.app_key.source_system, alert.tags, alert.started_at)
