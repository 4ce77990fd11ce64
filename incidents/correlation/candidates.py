"""The incidents in reach, while alerts are placed among them: what live correlation and replays share."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Generic, TypeVar

from incidents.correlation.decide import Candidate, CorrelationSubject, Decision, Match, decide
from incidents.correlation.rollup import AlertSnapshot, IncidentRollup
from incidents.models import Incident

Rollup = TypeVar("Rollup", bound=IncidentRollup)


class CandidateIndex(Generic[Rollup]):
    """Gatherings by their place, which grows in the order in which incidents were opened, and by the keys that lead to them."""

    def __init__(self, kind: type[Rollup], *, alerts_per_incident: int, first_place: int = 0) -> None:
        self.kind = kind
        self.alerts_per_incident = alerts_per_incident
        self.rollups: dict[int, Rollup] = {}
        self.by_key: dict[str, list[int]] = defaultdict(list)
        self._next_place = first_place

    def add(self, rollup: Rollup) -> int:
        """Put on an incident that was opened after all those that are there; returns its place."""
        place = self._next_place
        self._next_place += 1
        self.put(rollup, place)
        return place

    def put(self, rollup: Rollup, place: int) -> None:
        self.rollups[place] = rollup
        self.lead(place)

    def lead(self, place: int) -> None:
        """Let the keys of an incident's valid matchers lead to it, where it has been given some."""
        for key in self._keys(self.rollups[place]):
            if place not in self.by_key[key]:
                insort(self.by_key[key], place)

    def places(self, key: str) -> Sequence[int]:
        """Where a key leads, the incident opened last at the end."""
        return self.by_key.get(key, ())

    def remove(self, place: int) -> Rollup:
        rollup = self.rollups.pop(place)
        for key in self._keys(rollup, also_invalid=True):
            if places := [each for each in self.by_key.get(key, ()) if each != place]:
                self.by_key[key] = places
            else:
                self.by_key.pop(key, None)
        return rollup

    def place(
        self, alert: AlertSnapshot, subject: CorrelationSubject, matches: Iterable[Match], at: datetime
    ) -> tuple[int, Decision]:
        """Join an alert that has no incident to one, or open one for it; returns its place."""
        decision = decide(subject, matches, lambda key: self._candidates(key, alert.started_at))
        if decision.incident is not None:
            place = decision.incident
            self.rollups[place].join(alert, decision)
        else:
            follows = self._incident(decision.follows) if decision.follows is not None else None
            place = self.add(self.kind.opened_by(alert, decision, follows=follows, at=at))
        self.rollups[place].settle(alert, at)
        return place, decision

    def follow(self, place: int, alert: AlertSnapshot, at: datetime) -> None:
        """Count an alert as it is now in the incident that it has."""
        self.rollups[place].update(alert)
        self.rollups[place].settle(alert, at)

    def _incident(self, place: int) -> Incident:
        return self.rollups[place].incident

    def _candidates(self, key: str, start: datetime) -> list[Candidate]:
        found = []
        for place in self.places(key):
            rollup = self.rollups.get(place)
            if rollup and (leading := rollup.leading(key)):
                is_full = rollup.incident.alerts_count >= self.alerts_per_incident
                found.append(Candidate(place, leading.anchor_at, is_full, not rollup.was_open(start)))
        return found

    @staticmethod
    def _keys(rollup: IncidentRollup, *, also_invalid: bool = False) -> Iterable[str]:
        matchers = [matcher for matcher in rollup.matchers if matcher.valid or also_invalid]
        return {key for matcher in matchers for key in (matcher.key, matcher.any_source_key) if key}
