"""Replay report: the incidents of a replay compared with the stored incidents, collected while the replay runs (docs/how-it-works.md §6.1)."""

from __future__ import annotations

import heapq
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from alerts.models import Alert, key_at
from incidents.replay.engine import Outcome
from incidents.replay.manual_changes import ReplayedAlert, ReplayedIncident

SHOWN = 50  # of each kind of difference; the count goes on
BIGGEST = 10
# A group this wide is more likely a rule that says too little than one trouble.
WIDE_OBJECTS = 30
WIDE_SOURCES = 5
WIDE_SPAN = timedelta(hours=12)


Incidents = dict[int, tuple[int, int]]  # of alerts: the incident each is in, and how many alerts that one has


class ReplayReport:
    """Told of one incident of a replay after the other; alerts that began before the range only serve to place the others."""

    def __init__(self, since: datetime, kept: dict[str, Any] | None = None) -> None:
        self.first_key = key_at(since)
        self.counts: Counter[str] = Counter((kept or {}).get("counts", {}))
        self.shown: dict[str, list[dict[str, Any]]] = {
            kind: list((kept or {}).get(kind, ())) for kind in ("merged", "split", "alone", "warnings")
        }
        self.biggest: list[tuple[int, int, dict[str, Any]]] = [tuple(each) for each in (kept or {}).get("biggest", ())]
        # Incidents there are, of which alerts came to incidents of the replay: how many alerts are to come yet, and in how many incidents they are.
        self.parts: dict[int, list[int]] = {int(pk): part for pk, part in (kept or {}).get("parts", {}).items()}

    def add(self, outcomes: list[Outcome]) -> None:
        """Incidents as they came out, with their alerts."""
        reported = [
            (rollup, own)
            for rollup, alerts in outcomes
            if (own := [alert for alert in alerts if alert.seen.pk >= self.first_key])
        ]
        incidents = _incidents([alert.seen.pk for _, alerts in reported for alert in alerts])
        for rollup, alerts in reported:
            self._take(rollup, alerts, incidents)

    def _take(self, rollup: ReplayedIncident, alerts: list[ReplayedAlert], incidents: Incidents) -> None:
        self.counts["alerts"] += len(alerts)
        self.counts["incidents"] += 1
        self.counts["flapping"] += bool(rollup.flapped)
        found = [incidents[alert.seen.pk] for alert in alerts if alert.seen.pk in incidents]
        sizes = Counter(pk for pk, _ in found)
        for pk, size in found:
            self.parts.setdefault(pk, [size, 0])
        group = _group(rollup, alerts, list(sizes))
        self._note_merged(group, sizes)
        self._note_split(sizes)
        if len(rollup.members) == 1 and found:
            self._note_alone(alerts[0], *found[0])
        self._note_wide(group)
        heapq.heappush(self.biggest, (len(alerts), self.counts["incidents"], group))
        if len(self.biggest) > BIGGEST:
            heapq.heappop(self.biggest)

    def _note_merged(self, group: dict[str, Any], sizes: Counter[int]) -> None:
        if len(sizes) > 1:
            self._note("merged", {"title": group["title"], "incidents": sorted(sizes)[:20], "alerts": group["alerts"]})
            self.counts["joined"] += sum(sizes.values()) - max(sizes.values())

    def _note_split(self, sizes: Counter[int]) -> None:
        """Told when the last of an incident's alerts has come out."""
        for pk, size in sizes.items():
            part = self.parts[pk]
            part[0] -= size
            part[1] += 1
            if part[0] <= 0:
                self._end_part(pk)

    def _end_part(self, pk: int) -> None:
        _, places = self.parts.pop(pk)
        self.counts["incidents_before"] += 1
        if places > 1:
            self._note("split", {"incident": pk, "into": places})

    def _note_alone(self, alert: ReplayedAlert, incident: int, size: int) -> None:
        if size > 1:
            row = {"alert": alert.seen.pk, "identifier": alert.seen.identifier, "incident": incident}
            self._note("alone", row)

    def _note_wide(self, group: dict[str, Any]) -> None:
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
            self._note("warnings", {**named, "why": why})

    def _note(self, kind: str, row: dict[str, Any]) -> None:
        self.counts[kind] += 1
        if len(self.shown[kind]) < SHOWN:
            self.shown[kind].append(row)

    def kept(self) -> dict[str, Any]:
        """All of it, to go on from later."""
        return {"counts": self.counts, "biggest": self.biggest, "parts": self.parts, **self.shown}

    def result(self) -> dict[str, Any]:
        """As JSON for pages and API; compression is the share of alerts that no longer are an incident of their own."""
        for pk in list(self.parts):  # of the rest, alerts lie outside of the range
            self._end_part(pk)
        counts = self.counts
        before, after = counts["incidents_before"], counts["incidents"]
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
            **{kind: {"count": counts[kind], "shown": rows} for kind, rows in self.shown.items()},
        }


def _incidents(alerts: list[int]) -> Incidents:
    rows = Alert.objects.filter(pk__in=alerts, incident__isnull=False)
    return {
        pk: (incident or 0, size) for pk, incident, size in rows.values_list("pk", "incident", "incident__alerts_count")
    }


def _compression(incidents: int, alerts: int) -> float:
    return round(1 - incidents / alerts, 4) if alerts else 0.0


def _group(rollup: ReplayedIncident, alerts: list[ReplayedAlert], incidents: list[int]) -> dict[str, Any]:
    incident = rollup.incident
    shared = next((matcher for matcher in rollup.matchers if matcher.valid), None)
    starts = [alert.seen.started_at for alert in alerts]
    return {
        "title": incident.title,
        "subtitle": incident.subtitle,
        "tags": [{"name": name, "value": value} for name, value in shared.values] if shared else [],
        "alerts": len(alerts),
        "objects": len({alert.seen.primary_value for alert in alerts}),
        "sources": len(incident.sources),
        "minutes": int((max(starts) - min(starts)).total_seconds() // 60),
        "full": incident.alerts_count >= settings.ALERTS_PER_INCIDENT,
        "incidents": sorted(incidents)[:20],
    }
