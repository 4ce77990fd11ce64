"""Manual changes of a replay (docs/how-it-works.md §6.1).

Alerts that people put together are together, whatever the patterns of the replay are. An incident that a person
resolved is resolved, too, if the replayed incident has no other alerts than the incident that they resolved.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from alerts.events import shown
from alerts.ingest.projection import Projection
from incidents.correlation.candidates import CandidateIndex
from incidents.correlation.matchers import MatcherRow
from incidents.correlation.rollup import AlertSnapshot, IncidentRollup
from incidents.models import Activity, CorrelationBatch, Incident
from incidents.models.correlation_batch import IncidentState

ANY_USER = 1  # any primary key of a user, because a replay only tells whether a person resolved an incident


@dataclass(slots=True, eq=False)
class ReplayedIncident(IncidentRollup):
    """An incident of a replay. Instead of activities, it only has the number of times that it began to flap."""

    members: list[int] = field(default_factory=list)  # alerts
    flapped: int = 0

    def record(self, kind: Activity.Kind, at: datetime, **details: Any) -> None:
        if kind == Activity.Kind.BEGAN_TO_FLAP:
            self.flapped += 1


@dataclass(slots=True)
class ReplayedAlert:
    """An alert of a replay, as of the revision up to which its log was read."""

    snapshot: AlertSnapshot
    properties: tuple[str, str]  # names of its primary and secondary property
    projection: Projection | None = None
    tags: str = ""  # the tags of the snapshot, as JSON
    slot: int = -1  # of its incident in the candidate index; -1 without an incident

    @property
    def has_incident(self) -> bool:
        return self.slot >= 0

    def show(self, projection: Projection, revision: int) -> None:
        """Set the snapshot to the projection of the log up to a revision."""
        snapshot = self.snapshot
        snapshot.status, snapshot.severity, snapshot.revision = projection.status, projection.severity, revision
        snapshot.started_at, snapshot.changed_at = projection.started_at, projection.changed_at
        snapshot.status_changes = json.loads(projection.status_changes)
        if projection.tags != self.tags:
            self.tags, snapshot.tags = projection.tags, json.loads(projection.tags)
            primary, secondary = (shown(snapshot.tags.get(name, "")) for name in self.properties)
            snapshot.primary_value, snapshot.secondary_value = primary, secondary


Read = Callable[[int, ReplayedAlert | None, int], ReplayedAlert | None]


class _Change(NamedTuple):
    """An incident as a person left it, with the alerts of the replay that it has."""

    state: IncidentState
    alerts: list[ReplayedAlert]


class ManualChanges:
    """The incidents of a replay that people changed, with their slots in the candidate index."""

    def __init__(self, candidates: CandidateIndex[ReplayedIncident], alerts: dict[int, ReplayedAlert]) -> None:
        self.candidates, self.alerts = candidates, alerts
        self.slots: dict[int, int] = {}  # by incident
        # By the slot of an incident without alerts: the slot to which its matchers moved, and the matchers.
        self.moved_matchers: dict[int, tuple[int, list[MatcherRow]]] = {}

    def repeat(self, batch: CorrelationBatch, read: Read) -> None:
        """Repeat the manual change of a batch.

        1. Read the alerts of each incident up to the revisions that the change saw, and find the slot of each incident.
        2. Move the alerts to the slots of their incidents. The matchers of an incident that loses all alerts move
           along, and move back with the alerts.
        3. Recount the incidents that lost or got alerts, and update the other ones.
        4. Resolve and reopen the incidents as the person left them.
        """
        by_slot = self._find_slots([_Change(state, self._read_alerts(state, read)) for state in batch.by_hand])
        moved = self._move_alerts(by_slot)
        regrouped = {*moved, *moved.values()}
        for slot in regrouped:
            self._move_matchers(slot, moved.get(slot))
        for slot, change in by_slot.items():
            if slot in regrouped:
                self._recount(slot, batch.at)
            else:
                self._update(slot)
            self._restore(slot, change.state, batch.at)
        for slot in regrouped - by_slot.keys():
            self._recount(slot, batch.at)

    # --- where incidents and alerts are

    def _read_alerts(self, state: IncidentState, read: Read) -> list[ReplayedAlert]:
        found = (read(pk, self.alerts.get(pk), revision) for pk, _, revision in state["seen"])
        return [alert for alert in found if alert and alert.has_incident]

    def _find_slots(self, changes: Iterable[_Change]) -> dict[int, _Change]:
        """Return the changes by the slots of their incidents.

        An incident without a slot and without alerts is left out.
        """
        by_slot: dict[int, _Change] = {}
        for change in changes:
            slot = self._known_slot(change, taken=by_slot)
            if slot is None and change.alerts:
                slot = self._open(change.alerts)
            if slot is not None:
                self.slots[change.state["incident"]] = slot
                by_slot[slot] = change
        return by_slot

    def _known_slot(self, change: _Change, *, taken: Container[int]) -> int | None:
        """Return the slot of an incident, unless another incident of the same change has taken it.

        The slot is that of an earlier change, else the slot of the incident's first alert, else the slot of most of its
        alerts.
        """
        incident, first = change.state["incident"], self.alerts.get(change.state["first_alert"] or 0)
        counts = Counter(alert.slot for alert in change.alerts)
        wanted = [self.slots.get(incident, first.slot if first else -1)]
        if counts:
            wanted.append(max(counts, key=lambda slot: (counts[slot], slot)))
        return next((slot for slot in wanted if slot in self.candidates.rollups and slot not in taken), None)

    def _open(self, alerts: Iterable[ReplayedAlert]) -> int:
        start = min(alert.snapshot.started_at for alert in alerts)
        return self.candidates.add(ReplayedIncident(Incident(started_at=start, changed_at=start)))

    def _move_alerts(self, by_slot: Mapping[int, _Change]) -> dict[int, int]:
        """Move alerts to the slots of their incidents.

        Return by slot that lost alerts the slot to which the last of them moved.
        """
        moved: dict[int, int] = {}
        for slot, change in by_slot.items():
            for alert in change.alerts:
                if alert.slot != slot:
                    moved[alert.slot] = slot
                    self.candidates.rollups[alert.slot].members.remove(alert.snapshot.pk)
                    self.candidates.rollups[slot].members.append(alert.snapshot.pk)
                    alert.slot = slot
        return moved

    # --- matchers

    def _move_matchers(self, slot: int, moved_to: int | None) -> None:
        """Move the matchers of an incident that lost all alerts along, or back if the incident has alerts again."""
        rollup = self.candidates.rollups[slot]
        if rollup.members and slot in self.moved_matchers:
            source, matchers = self.moved_matchers.pop(slot)
            for matcher in matchers:
                if matcher.brought_from_id == slot:
                    matcher.brought_from_id = None
            self._hand_over(matchers, source, slot)
        elif not rollup.members and moved_to is not None and rollup.matchers:
            matchers = list(rollup.matchers)
            self.moved_matchers[slot] = moved_to, matchers
            for matcher in matchers:
                if matcher.brought_from_id is None:
                    matcher.brought_from_id = slot
            self._hand_over(matchers, slot, moved_to)

    def _hand_over(self, matchers: list[MatcherRow], source: int, target: int) -> None:
        if source in self.candidates.rollups:
            giver = self.candidates.rollups[source]
            giver.matchers = [matcher for matcher in giver.matchers if matcher not in matchers]
        receiver = self.candidates.rollups[target]
        receiver.matchers += matchers
        receiver.matchers.sort(key=lambda each: target if each.brought_from_id is None else each.brought_from_id)
        self.candidates.index(target)

    # --- counting

    def _recount(self, slot: int, at: datetime) -> None:
        rollup = self.candidates.rollups[slot]
        rollup.members.sort()
        rollup.recount([self.alerts[pk].snapshot for pk in rollup.members], at)

    def _update(self, slot: int) -> None:
        rollup = self.candidates.rollups[slot]
        for pk in rollup.members:
            rollup.update(self.alerts[pk].snapshot)

    def _restore(self, slot: int, state: IncidentState, at: datetime) -> None:
        """Resolve or reopen an incident as the person left it.

        An incident with further alerts follows from its alerts.
        """
        rollup = self.candidates.rollups[slot]
        incident = rollup.incident
        if set(rollup.members) <= {pk for pk, _, _ in state["seen"]}:
            incident.changed_at = datetime.fromisoformat(state["changed_at"])
            if state["resolved_at"]:
                rollup.resolve(datetime.fromisoformat(state["resolved_at"]))
                incident.resolved_by_id = ANY_USER if state["by_hand"] else None
            else:
                rollup.reopen()
        elif rollup.members:
            rollup.settle(self.alerts[rollup.members[-1]].snapshot, at)
