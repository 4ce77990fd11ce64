"""Random streams of events and actions, and the incidents that follow from the streams."""

from __future__ import annotations

import os
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, Q
from django.utils import timezone

from alerts.ingest.ingest import ingesting
from alerts.models import Alert
from alerts.sources import bigpanda
from appkeys.models import AppKey
from db.transactions import carry_out
from incidents import actions
from incidents.correlation.rules import Versions
from incidents.models import Activity, CorrelationBatch, CorrelationPattern, Incident, MaintenancePlan
from incidents.replay.engine import Replay
from incidents.replay.manual_changes import ReplayedIncident
from people.models import User

# The suite plays a short stream. The full proof is `EVENTS_IN_STREAM=10000 pytest tests/incidents/test_replay.py`.
EVENTS = int(os.environ.get("EVENTS_IN_STREAM", "700"))
PATTERNS: list[dict[str, Any]] = [
    {"tags": ["rack"], "time_window": 20, "cross_source": False},
    {"tags": ["host"], "time_window": 60},
    {"tags": ["cluster", "check"], "time_window": 30},
    {"tags": ["check"], "time_window": 5},
]


def install_patterns() -> None:
    CorrelationPattern.objects.all().delete()
    for position, fields in enumerate(PATTERNS):
        CorrelationPattern.objects.create(position=position, **fields)


@dataclass
class Stream:
    """Events of about six hours until now: ordinary, late and repeated events, flapping alerts, and storms."""

    seed: int
    events: int = EVENTS

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the batches of events in the order in which they are sent."""
        draw = random.Random(self.seed)
        sent: list[dict[str, Any]] = []
        now = time.time()
        count = 0
        while count < self.events:
            at = now - 6 * 3600 * (1 - count / self.events)
            batch = [self._event(draw, at, sent) for _ in range(draw.choice((1, 1, 2, 5, 20)))]
            if draw.random() < 0.03:  # a storm: one check fails everywhere
                check = f"check-{draw.randrange(3)}"
                batch += [
                    {
                        "host": f"host-{host}",
                        "check": check,
                        "cluster": "east",
                        "status": "critical",
                        "timestamp": int(at),
                    }
                    for host in range(draw.randrange(20, 60))
                ]
            sent += batch
            count += len(batch)
            yield batch

    @staticmethod
    def _event(draw: random.Random, at: float, sent: list[dict[str, Any]]) -> dict[str, Any]:
        kind = draw.random()
        if sent and kind < 0.08:
            return dict(draw.choice(sent[-200:]))  # a duplicate
        if sent and kind < 0.35:  # a known object ends, returns or flaps
            known = draw.choice(sent[-60:])
            return {**known, "status": draw.choice(("ok", "ok", "critical", "warning")), "timestamp": int(at)}
        number = draw.randrange(40)
        event: dict[str, Any] = {
            "host": f"host-{number}",
            "check": f"check-{draw.randrange(12)}",
            "status": draw.choice(("critical", "warning", "unknown", "acknowledged", "ok")),
            "timestamp": int(at) - (draw.randrange(7200) if draw.random() < 0.15 else 0),  # some come late
        }
        if draw.random() < 0.6:
            event["cluster"] = draw.choice(("east", "west"))
        if draw.random() < 0.3:
            event["rack"] = f"rack-{draw.randrange(6)}"
        if draw.random() < 0.1:
            del event["timestamp"]
        return event


def store(app_keys: list[AppKey], batch: list[dict[str, Any]], number: int) -> None:
    """Store a batch of events as the Alerts API does, but send no message that there is work."""
    now = datetime.now(UTC)
    app_key = app_keys[number % len(app_keys)]
    carry_out(ingesting([(app_key, bigpanda.normalize(item, received_at=now)) for item in batch], received_at=now))


def act(draw: random.Random, by: User) -> None:
    """Act as a person who resolves, reopens, merges, splits, undoes, or begins or ends maintenance."""
    incidents = list(Incident.objects.filter(resolved_at=None, merged_into=None).order_by("-pk")[:30])
    if not incidents:
        return
    chosen = draw.choice(incidents)
    action = draw.choice(("resolve", "resolve", "merge", "split", "undo", "reopen", "maintenance", "maintenance"))
    now = timezone.now()
    try:
        if action == "maintenance":
            if not MaintenancePlan.objects.filter(ends_at__gt=now).update(ends_at=now):
                times = {"starts_at": now, "ends_at": now + timedelta(days=1)}
                MaintenancePlan.objects.create(name="Racks", condition=f"host = host-{draw.randrange(1, 4)}*", **times)
        elif action == "resolve":
            actions.resolve(chosen, by=by)
        elif action == "reopen":
            resolved = Incident.objects.exclude(resolved_by=None).filter(merged_into=None).last()
            if resolved:
                actions.reopen(resolved, by=by)
        elif action == "merge":
            actions.merge(chosen, [draw.choice(incidents)], by=by)
        elif action == "split":
            pks = list(Alert.objects.filter(incident=chosen).order_by("pk").values_list("pk", flat=True))
            actions.split(chosen, pks[1:], by=by)
        elif last := actions.last_of(by):
            actions.undo(last, by=by)
    except actions.InvalidTransition:
        pass  # the incident does not allow the action now


FIELDS = (
    "title", "subtitle", "status", "severity", "alerts_count", "active_count", "status_counts", "maintenance_counts",
    "maintenance", "shared_tags", "started_at", "changed_at", "resolved_at", "flapping", "flapping_until",
)  # fmt: skip
Shape = dict[frozenset[int], dict[str, Any]]


def live() -> Shape:
    """Return the stored incidents by their alerts."""
    members: dict[int, set[int]] = defaultdict(set)
    for pk, incident in Alert.objects.filter(incident__isnull=False).values_list("pk", "incident"):
        members[incident].add(pk)
    began = Count("activities", filter=Q(activities__kind=Activity.Kind.BEGAN_TO_FLAP))
    rows = Incident.objects.annotate(began=began)
    began_by_incident = dict(rows.values_list("pk", "began"))
    incidents = Incident.objects.in_bulk(members)
    return {
        frozenset(pks): {
            **{name: getattr(incidents[pk], name) for name in FIELDS},
            "by_hand": incidents[pk].resolved_by_id is not None,
            "flapped": began_by_incident[pk],
        }
        for pk, pks in members.items()
    }


def replayed() -> Shape:
    """Return the incidents of a replay of the correlation log, with the patterns of that time, by their alerts."""
    replay = Replay(Versions())
    replay.advance(list(CorrelationBatch.objects.order_by("pk")))
    return {frozenset(each.members): _shape(each) for each in replay.candidates.rollups.values() if each.members}


def _shape(each: ReplayedIncident) -> dict[str, Any]:
    fields = {name: getattr(each.incident, name) for name in FIELDS}
    return {**fields, "by_hand": each.incident.resolved_by_id is not None, "flapped": each.flapped}


def differences(one: Shape, other: Shape) -> list[Any]:
    """Return the incidents that are in one of the two only, and the differences of the incidents in both."""
    found: list[Any] = [sorted(members) for members in one.keys() ^ other.keys()]
    for members in one.keys() & other.keys():
        pairs = {name: (one[members][name], other[members][name]) for name in one[members]}
        if different := {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}:
            found.append((sorted(members), different))
    return found
