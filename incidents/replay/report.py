"""Reports of replays: how the incidents of a replay differ from the stored incidents (docs/how-it-works.md §6.1).

A report grows while the replay passes on the incidents that it forgets.
"""

from __future__ import annotations

import heapq
from collections import Counter
from datetime import datetime, timedelta
from typing import Any, TypedDict

from django.conf import settings

from alerts.models import Alert, key_at
from incidents.models import Incident, access
from incidents.models.access import Reader
from incidents.replay.engine import ReplayOutcome
from incidents.replay.manual_changes import ReplayedAlert, ReplayedIncident

SHOWN = 50  # examples of each kind of difference; the count has no limit
BIGGEST = 10
LISTED = 20  # stored incidents that a group names
# A group this wide rather comes from a pattern that says too little than from one outage.
WIDE_OBJECTS = 30
WIDE_SOURCES = 5
WIDE_SPAN = timedelta(hours=12)


class Group(TypedDict):
    """An incident of a replay."""

    title: str
    subtitle: str
    tags: list[dict[str, str]]  # name and value of the shared tags
    alerts: int  # that began in the range
    objects: int  # different primary values
    sources: int  # integrations
    minutes: int  # between the first and the last start of the alerts
    full: bool
    incidents: list[int]  # stored incidents of the alerts, up to LISTED


class Differences(TypedDict):
    """A kind of difference: the number, and up to SHOWN examples."""

    count: int
    shown: list[dict[str, Any]]


class ReplayResult(TypedDict):
    """A finished report, as stored in `ReplayRun.result` and `Shadow.result`, and as the API returns it."""

    alerts: int
    events: int
    incidents_before: int
    incidents_after: int
    compression_before: float  # share of the alerts that are not an incident of their own, 0 to 1
    compression_after: float
    flapping: int  # incidents of the replay that flapped
    joined: int  # alerts that are not in the biggest stored incident of their group
    groups: list[Group]  # the BIGGEST incidents of the replay
    merged: Differences  # alerts of several stored incidents in one: title, incidents, alerts
    split: Differences  # alerts of one stored incident in several: incident, into
    alone: Differences  # alerts alone that are not alone in their stored incident: alert, identifier, incident
    warnings: Differences  # groups that are too wide: title, tags, alerts, incidents, why


Incidents = dict[int, tuple[int, int]]  # by alert: its stored incident, and the number of alerts of this incident


class ReplayReport:
    """A report that grows by the incidents of a replay. Alerts that began before `since` are not counted."""

    def __init__(self, since: datetime, kept: dict[str, Any] | None = None) -> None:
        self.first_key = key_at(since)
        self.counts: Counter[str] = Counter((kept or {}).get("counts", {}))
        self.shown: dict[str, list[dict[str, Any]]] = {
            kind: list((kept or {}).get(kind, ())) for kind in ("merged", "split", "alone", "warnings")
        }
        # A heap of size, number of the incident, and group.
        self.biggest: list[tuple[int, int, Group]] = [tuple(each) for each in (kept or {}).get("biggest", ())]
        # By stored incident of which alerts were added: the number of alerts that are still missing, and the number of
        # incidents of the replay that have its alerts.
        self.parts: dict[int, list[int]] = {int(pk): part for pk, part in (kept or {}).get("parts", {}).items()}

    def add(self, outcomes: list[ReplayOutcome]) -> None:
        """Add incidents of a replay with their alerts."""
        reported = [
            (rollup, own)
            for rollup, alerts in outcomes
            if (own := [alert for alert in alerts if alert.snapshot.pk >= self.first_key])
        ]
        incidents = _incidents([alert.snapshot.pk for _, alerts in reported for alert in alerts])
        for rollup, alerts in reported:
            self._add(rollup, alerts, incidents)

    def _add(self, rollup: ReplayedIncident, alerts: list[ReplayedAlert], incidents: Incidents) -> None:
        self.counts["alerts"] += len(alerts)
        self.counts["incidents"] += 1
        self.counts["flapping"] += bool(rollup.flapped)
        found = [incidents[alert.snapshot.pk] for alert in alerts if alert.snapshot.pk in incidents]
        sizes = Counter(pk for pk, _ in found)
        for pk, size in found:
            self.parts.setdefault(pk, [size, 0])
        group = _group(rollup, alerts, list(sizes))
        self._check_merged(group, sizes)
        self._check_split(sizes)
        if len(rollup.members) == 1 and found:
            self._check_alone(alerts[0], *found[0])
        self._check_wide(group)
        heapq.heappush(self.biggest, (len(alerts), self.counts["incidents"], group))
        if len(self.biggest) > BIGGEST:
            heapq.heappop(self.biggest)

    def _check_merged(self, group: Group, sizes: Counter[int]) -> None:
        if len(sizes) > 1:
            row = {"title": group["title"], "incidents": sorted(sizes)[:LISTED], "alerts": group["alerts"]}
            self._count("merged", row)
            self.counts["joined"] += sum(sizes.values()) - max(sizes.values())

    def _check_split(self, sizes: Counter[int]) -> None:
        for pk, size in sizes.items():
            part = self.parts[pk]
            part[0] -= size
            part[1] += 1
            if part[0] <= 0:
                self._end_part(pk)

    def _end_part(self, pk: int) -> None:
        """Count a stored incident, of which the last alert was added."""
        _, incidents = self.parts.pop(pk)
        self.counts["incidents_before"] += 1
        if incidents > 1:
            self._count("split", {"incident": pk, "into": incidents})

    def _check_alone(self, alert: ReplayedAlert, incident: int, size: int) -> None:
        if size > 1:
            snapshot = alert.snapshot
            self._count("alone", {"alert": snapshot.pk, "identifier": snapshot.identifier, "incident": incident})

    def _check_wide(self, group: Group) -> None:
        why = []
        if group["objects"] > WIDE_OBJECTS:
            why.append(f"It gathers {group['objects']:,} different objects.")
        if group["sources"] > WIDE_SOURCES:
            why.append(f"It gathers alerts of {group['sources']} integrations.")
        if group["minutes"] > WIDE_SPAN.total_seconds() / 60:
            why.append(f"Its alerts started over {group['minutes'] // 60} hours.")
        if group["full"]:
            why.append(f"It reached the limit of {settings.ALERTS_PER_INCIDENT:,} alerts, so others had to follow it.")
        if why:
            named = {name: group[name] for name in ("title", "tags", "alerts", "incidents")}
            self._count("warnings", {**named, "why": why})

    def _count(self, kind: str, row: dict[str, Any]) -> None:
        self.counts[kind] += 1
        if len(self.shown[kind]) < SHOWN:
            self.shown[kind].append(row)

    def kept(self) -> dict[str, Any]:
        """Return the state of the report as JSON, as stored in `Shadow.kept`.

        A report made with the state continues it.
        """
        return {"counts": self.counts, "biggest": self.biggest, "parts": self.parts, **self.shown}

    def result(self) -> ReplayResult:
        """Finish the report."""
        for pk in list(self.parts):  # stored incidents with alerts outside of the range
            self._end_part(pk)
        counts = self.counts
        before, after = counts["incidents_before"], counts["incidents"]
        differences = {kind: Differences(count=counts[kind], shown=rows) for kind, rows in self.shown.items()}
        return {
            "alerts": counts["alerts"],
            "events": counts["events"],
            "incidents_before": before,
            "incidents_after": after,
            "compression_before": _compression(before, counts["alerts"]),
            "compression_after": _compression(after, counts["alerts"]),
            "flapping": counts["flapping"],
            "joined": counts["joined"],
            "groups": [group for *_, group in sorted(self.biggest, key=lambda each: (-each[0], each[1]))],
            "merged": differences["merged"],
            "split": differences["split"],
            "alone": differences["alone"],
            "warnings": differences["warnings"],
        }


def _incidents(alerts: list[int]) -> Incidents:
    rows = Alert.objects.filter(pk__in=alerts, incident__isnull=False)
    return {
        pk: (incident or 0, size) for pk, incident, size in rows.values_list("pk", "incident", "incident__alerts_count")
    }


def _compression(incidents: int, alerts: int) -> float:
    return round(1 - incidents / alerts, 4) if alerts else 0.0


def _group(rollup: ReplayedIncident, alerts: list[ReplayedAlert], incidents: list[int]) -> Group:
    incident = rollup.incident
    shared = next((matcher for matcher in rollup.matchers if matcher.valid), None)
    starts = [alert.snapshot.started_at for alert in alerts]
    return {
        "title": incident.title,
        "subtitle": incident.subtitle,
        "tags": [{"name": name, "value": value} for name, value in shared.values] if shared else [],
        "alerts": len(alerts),
        "objects": len({alert.snapshot.primary_value for alert in alerts}),
        "sources": len(incident.sources),
        "minutes": int((max(starts) - min(starts)).total_seconds() // 60),
        "full": incident.alerts_count >= settings.ALERTS_PER_INCIDENT,
        "incidents": sorted(incidents)[:LISTED],
    }


def readable(result: dict[str, Any] | None, reader: Reader) -> dict[str, Any] | None:
    """Return a stored report as a reader may see it: without the examples that show alerts of closed incidents.

    The numbers stay. A group that may have more incidents than it lists is for readers to whom nothing is closed.
    """
    if result is None or access.sees_everything(reader):
        return result
    kinds = ("merged", "split", "alone", "warnings")
    rows = [*result["groups"], *(row for kind in kinds for row in result[kind]["shown"])]
    seen = Incident.objects.seen_among({pk for row in rows for pk in _stored_incidents(row)}, reader)

    def is_seen(row: dict[str, Any]) -> bool:
        incidents = _stored_incidents(row)
        return 0 < len(incidents) < LISTED and seen.issuperset(incidents)

    shown = {kind: result[kind] | {"shown": list(filter(is_seen, result[kind]["shown"]))} for kind in kinds}
    return result | shown | {"groups": list(filter(is_seen, result["groups"])), "is_partial": True}


def _stored_incidents(row: dict[str, Any]) -> list[int]:
    """Return the stored incidents whose alerts a group or an example of a difference shows."""
    return [row["incident"]] if "incident" in row else row["incidents"]
