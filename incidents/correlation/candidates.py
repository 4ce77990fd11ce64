"""Candidates: the incidents in reach while alerts are correlated (docs/how-it-works.md §4.2).

`CandidateIndex` keeps incidents in memory, for replays. `StoredCandidates` adds the incidents of the database, for live
correlation.
"""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Generic, TypeVar

from django.conf import settings

from incidents.correlation.decide import Candidate, CorrelationSubject, Decision, Match, Matches, Pattern, decide
from incidents.correlation.matchers import incidents_of_any_source, matchers_of, reachable_incidents
from incidents.correlation.rollup import AlertSnapshot, IncidentRollup
from incidents.models import Incident

Rollup = TypeVar("Rollup", bound=IncidentRollup)


class CandidateIndex(Generic[Rollup]):
    """Rollups of incidents by slot, and slots by the keys of the incidents' valid matchers.

    A slot is a number that grows in the order in which the incidents were opened.
    """

    def __init__(self, rollup_class: type[Rollup], *, alerts_per_incident: int, first_slot: int = 0) -> None:
        self.rollup_class = rollup_class
        self.alerts_per_incident = alerts_per_incident
        self.rollups: dict[int, Rollup] = {}
        self.by_key: dict[str, list[int]] = defaultdict(list)
        self._next_slot = first_slot

    def add(self, rollup: Rollup) -> int:
        """Add an incident that was opened after all others, and return its slot."""
        slot = self._next_slot
        self._next_slot += 1
        self.put(rollup, slot)
        return slot

    def put(self, rollup: Rollup, slot: int) -> None:
        self.rollups[slot] = rollup
        self.index(slot)

    def index(self, slot: int) -> None:
        """Make an incident reachable by the keys of its valid matchers, after it got matchers."""
        for key in self._keys(self.rollups[slot]):
            if slot not in self.by_key[key]:
                insort(self.by_key[key], slot)

    def slots(self, key: str) -> Sequence[int]:
        """Return the slots of the incidents with a key, the latest opened last."""
        return self.by_key.get(key, ())

    def remove(self, slot: int) -> Rollup:
        rollup = self.rollups.pop(slot)
        for key in self._keys(rollup, also_invalid=True):
            if slots := [each for each in self.by_key.get(key, ()) if each != slot]:
                self.by_key[key] = slots
            else:
                self.by_key.pop(key, None)
        return rollup

    def join_or_open(
        self, alert: AlertSnapshot, subject: CorrelationSubject, matches: Iterable[Match], at: datetime
    ) -> tuple[int, Decision]:
        """Let an alert that has no incident join one, or open one. Return the slot of the incident and the decision."""
        decision = decide(subject, matches, lambda key: self._candidates(key, alert.started_at))
        if decision.incident is not None:
            slot = decision.incident
            self.rollups[slot].join(alert, decision)
        else:
            follows = self._incident(decision.follows) if decision.follows is not None else None
            slot = self.add(self.rollup_class.opened_by(alert, decision, follows=follows, at=at))
        self.rollups[slot].settle(alert, at)
        return slot, decision

    def update(self, slot: int, alert: AlertSnapshot, at: datetime) -> None:
        """Count an alert in its incident as the alert is now."""
        rollup = self.rollups[slot]
        rollup.update(alert)
        rollup.settle(alert, at)

    def _incident(self, slot: int) -> Incident:
        return self.rollups[slot].incident

    def _candidates(self, key: str, start: datetime) -> list[Candidate]:
        found = []
        for slot in self.slots(key):
            rollup = self.rollups.get(slot)
            if rollup and (matcher := rollup.matcher_for(key)):
                is_full = rollup.incident.alerts_count >= self.alerts_per_incident
                found.append(Candidate(slot, matcher.anchor_at, is_full, not rollup.was_open(start)))
        return found

    @staticmethod
    def _keys(rollup: IncidentRollup, *, also_invalid: bool = False) -> Iterable[str]:
        matchers = [matcher for matcher in rollup.matchers if matcher.valid or also_invalid]
        return {key for matcher in matchers for key in (matcher.key, matcher.any_source_key) if key}


class StoredCandidates(CandidateIndex[IncidentRollup]):
    """The incidents of the database that the alerts of one batch are in or may join.

    The slot of a stored incident is its primary key. The slots of incidents that the batch opens come after all primary
    keys. Incidents are read only when an alert looks for them.
    """

    def __init__(self, alerts: Sequence[AlertSnapshot], patterns: Sequence[Pattern]) -> None:
        super().__init__(IncidentRollup, alerts_per_incident=settings.ALERTS_PER_INCIDENT, first_slot=2**63)
        self.subjects = {alert.pk: alert.subject for alert in alerts}
        self.matches = {
            alert.pk: Matches(self.subjects[alert.pk], patterns) for alert in alerts if alert.needs_incident
        }
        self._read({alert.incident_id for alert in alerts if alert.incident_id})
        self._known_keys: set[str] = set()
        if starts := [alert.started_at for alert in alerts if alert.needs_incident]:
            reach = max((pattern.time_window for pattern in patterns), default=timedelta())
            self._since, self._anchors = min(starts), (min(starts) - reach, max(starts) + reach)
            self._look_up(self._matches_of_leading_alerts())

    def slots(self, key: str) -> Sequence[int]:
        if key not in self._known_keys:
            self._look_up(chain(*self.matches.values()))
        return super().slots(key)

    def _matches_of_leading_alerts(self) -> Iterator[Match]:
        """Yield the matches of one alert for each first match.

        If several alerts have the same first match, the first of them usually finds or opens an incident for all.
        """
        seen: set[str] = set()
        for matches in self.matches.values():
            first = next(iter(matches), None)
            if first and first.key not in seen:
                seen.add(first.key)
                yield from matches

    def _look_up(self, matches: Iterable[Match]) -> None:
        wanted = list(matches)
        keys = {match.key for match in wanted} - self._known_keys
        any_source_keys = {match.any_source_key for match in wanted if match.any_source_key} - self._known_keys
        self._known_keys |= keys | any_source_keys
        found = reachable_incidents(keys, self._since, self._anchors) | incidents_of_any_source(any_source_keys)
        self._read(found - self.rollups.keys())

    def _read(self, incidents: set[int]) -> None:
        matchers = matchers_of(incidents, valid=True)
        for incident in Incident.objects.filter(pk__in=incidents):
            self.put(IncidentRollup(incident, matchers[incident.pk]), incident.pk)
