"""What people did to incidents by hand, done again in a replay, whatever its rules: alerts that they put together are together.

What they closed is closed, too, where a replayed incident has no other alerts than the one they closed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from alerts.events import shown
from alerts.ingest.projection import Projection
from incidents.correlation.candidates import CandidateIndex
from incidents.correlation.matchers import MatcherRow
from incidents.correlation.rollup import AlertSnapshot, IncidentRollup
from incidents.models import Activity, CorrelationBatch, Incident
from incidents.models.correlation_batch import Left

BY_HAND = 1  # any key of a user: who it was makes no difference here


@dataclass(slots=True, eq=False)
class ReplayedIncident(IncidentRollup):
    """An incident of a replay. Of its activities it only counts how often it began to flap."""

    members: list[int] = field(default_factory=list)  # alerts
    flapped: int = 0

    def record(self, kind: Activity.Kind, at: datetime, **details: Any) -> None:
        if kind == Activity.Kind.BEGAN_TO_FLAP:
            self.flapped += 1


@dataclass(slots=True)
class ReplayedAlert:
    """An alert of a replay, as far as its log was followed."""

    seen: AlertSnapshot
    properties: tuple[str, str]  # names of its primary and secondary property
    projection: Projection | None = None
    tags: str = ""  # as JSON, as they were read into `seen`
    place: int = -1  # on the candidates

    def look(self, projection: Projection, revision: int) -> None:
        """See it as its log comes to by that revision."""
        seen = self.seen
        seen.status, seen.severity, seen.revision = projection.status, projection.severity, revision
        seen.started_at, seen.changed_at = projection.started_at, projection.changed_at
        seen.status_changes = json.loads(projection.status_changes)
        if projection.tags != self.tags:
            self.tags, seen.tags = projection.tags, json.loads(projection.tags)
            seen.primary_value, seen.secondary_value = (shown(seen.tags.get(name, "")) for name in self.properties)


Look = Callable[[int, ReplayedAlert | None, int], ReplayedAlert | None]


class ManualChanges:
    """The incidents that people have touched, and where they are on the candidates."""

    def __init__(self, candidates: CandidateIndex[ReplayedIncident], alerts: dict[int, ReplayedAlert]) -> None:
        self.candidates, self.alerts = candidates, alerts
        self.homes: dict[int, int] = {}  # incident -> place
        self.brought: dict[
            int, tuple[int, list[MatcherRow]]
        ] = {}  # emptied place -> where its matchers lead, and which

    def take(self, turn: CorrelationBatch, look: Look) -> None:
        """Do again what was done in a turn.

        1. Find each incident's place, and see its alerts as far as their logs had come.
        2. Put alerts where they were put; the matchers of an incident that was emptied go with them, and come back with them.
        3. Count anew where alerts came or went, else only those that changed.
        4. Close and open as it was closed and opened.
        """
        places: dict[int, Left] = {}
        changed: dict[int, int] = {}  # places that lost alerts -> where the last one went
        for left in turn.by_hand:
            if first := self.alerts.get(left["first_alert"] or 0):
                self.homes.setdefault(left["incident"], first.place)
        for left in turn.by_hand:
            alerts = [known for pk, _, revision in left["seen"] if (known := look(pk, self.alerts.get(pk), revision))]
            alerts = [known for known in alerts if known.place >= 0]
            if alerts or self.homes.get(left["incident"]) in self.candidates.rollups:
                place = self._home(left, alerts, places)
                places[place] = left
                for known in alerts:
                    if known.place != place:
                        changed[known.place] = place
                        self._move(known, place)
        touched = {*changed, *changed.values()}
        for place in touched:
            self._lead(place, changed.get(place))
        for place, left in places.items():
            self._count(place, left, turn.at, anew=place in touched)
        for place in touched - places.keys():
            self._count_anew(place, turn.at)

    def _home(self, left: Left, alerts: list[ReplayedAlert], taken: dict[int, Left]) -> int:
        """The place of an incident: where its first alert was when a person first touched it, or where most of its alerts are; else a new one."""
        usual = [known.place for known in alerts]
        wanted = [self.homes.get(left["incident"], -1), *sorted(set(usual), key=usual.count)[-1:]]
        free = (place for place in wanted if place in self.candidates.rollups and place not in taken)
        place = next(free, None)
        if place is None:
            start = min(known.seen.started_at for known in alerts)
            place = self.candidates.add(ReplayedIncident(Incident(started_at=start, changed_at=start)))
        self.homes[left["incident"]] = place
        return place

    def _move(self, known: ReplayedAlert, place: int) -> None:
        self.candidates.rollups[known.place].members.remove(known.seen.pk)
        self.candidates.rollups[place].members.append(known.seen.pk)
        known.place = place

    def _lead(self, place: int, went: int | None) -> None:
        rollup = self.candidates.rollups[place]
        if rollup.members and place in self.brought:
            where, matchers = self.brought.pop(place)
            for matcher in matchers:
                if matcher.brought_from_id == place:
                    matcher.brought_from_id = None  # it is home
            self._take_matchers(matchers, where, place)
        elif not rollup.members and went is not None and rollup.matchers:
            matchers = list(rollup.matchers)
            self.brought[place] = went, matchers
            for matcher in matchers:
                if matcher.brought_from_id is None:
                    matcher.brought_from_id = place
            self._take_matchers(matchers, place, went)

    def _take_matchers(self, matchers: list[MatcherRow], source: int, place: int) -> None:
        if source in self.candidates.rollups:
            there = self.candidates.rollups[source]
            there.matchers = [matcher for matcher in there.matchers if matcher not in matchers]
        rollup = self.candidates.rollups[place]
        rollup.matchers += matchers
        rollup.matchers.sort(key=lambda each: place if each.brought_from_id is None else each.brought_from_id)
        self.candidates.lead(place)

    def _count(self, place: int, left: Left, at: datetime, *, anew: bool) -> None:
        rollup = self.candidates.rollups[place]
        incident = rollup.incident
        if anew:
            self._count_anew(place, at)
        else:
            for pk in rollup.members:
                rollup.update(self.alerts[pk].seen)
        if set(rollup.members) <= {pk for pk, _, _ in left["seen"]}:
            incident.changed_at = datetime.fromisoformat(left["changed_at"])
            if left["resolved_at"]:
                rollup.resolve(datetime.fromisoformat(left["resolved_at"]))
                incident.resolved_by_id = BY_HAND if left["by_hand"] else None
            else:
                rollup.reopen()
        elif rollup.members:
            rollup.settle(self.alerts[rollup.members[-1]].seen, at)

    def _count_anew(self, place: int, at: datetime) -> None:
        rollup = self.candidates.rollups[place]
        rollup.members.sort()
        rollup.recount([self.alerts[pk].seen for pk in rollup.members], at)
