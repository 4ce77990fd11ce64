"""Explanations why an alert is in its incident: the decision of correlation in sentences (docs/how-it-works.md §7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from django.db.models import Q
from django.urls import reverse

from alerts.models import Alert
from incidents.correlation.decide import Considered
from incidents.explain.considered import reasons
from incidents.models import CorrelationPattern, Incident, PatternVersion, access
from incidents.models.access import Reader


@dataclass(frozen=True, slots=True)
class Reason:
    """The verdict of one pattern on an alert, in words."""

    pattern: str  # the rule in words, in the version that was asked
    version: int
    url: str  # of that version; empty if the pattern does not exist any more
    verdict: str
    sentence: str
    incident: int | None = None
    window_from: datetime | None = None
    window_until: datetime | None = None

    @property
    def won(self) -> bool:
        return self.verdict == "joined"

    def as_data(self) -> dict[str, Any]:
        return {
            "pattern": self.pattern,
            "version": self.version,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "incident": self.incident,
            "window_from": self.window_from.isoformat() if self.window_from else None,
            "window_until": self.window_until.isoformat() if self.window_until else None,
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation why an alert is in its incident: a headline, and the reason of each pattern."""

    alert: Alert
    headline: str
    reasons: tuple[Reason, ...]

    def as_data(self) -> dict[str, Any]:
        return {
            "alert": str(self.alert.pk),
            "incident": self.alert.incident_id,
            "started_at": self.alert.started_at.isoformat(),
            "headline": self.headline,
            "reasons": [reason.as_data() for reason in self.reasons],
        }


def explain(alerts: Iterable[Alert], reader: Reader) -> list[Explanation]:
    """Return an explanation for each alert that has an incident, in the order of the alerts."""
    alerts = list(alerts)
    verdicts = reasons(alerts, reader)
    asked = AskedPatterns.of(chain(*verdicts.values()))
    homes = Incident.objects.only("first_alert").in_bulk({alert.incident_id for alert in alerts if alert.incident_id})
    return [
        _explanation(alert, verdicts[alert.pk], asked, homes[alert.incident_id])
        for alert in alerts
        if alert.incident_id
    ]


def is_by_hand(alert: Alert, verdicts: Iterable[Considered], home: Incident) -> bool:
    """Return whether a person put the alert into its incident.

    That is the case if the patterns led to another incident, or if the alert opened another incident.
    """
    joined = next((each for each in verdicts if each.verdict == "joined"), None)
    return joined.incident != home.pk if joined else home.first_alert != alert.pk


class AskedPatterns:
    """The patterns of verdicts, in the versions that were asked, with their names, filters and pages."""

    def __init__(self, rows: dict[tuple[int, int], PatternVersion], now: dict[int, CorrelationPattern]) -> None:
        self._rows, self._now = rows, now

    @classmethod
    def of(cls, considered: Iterable[Considered]) -> AskedPatterns:
        asked = {(each.pattern, each.version) for each in considered}
        wanted = Q(pk__in=[])
        for pattern, version in asked:
            wanted |= Q(pattern=pattern, version=version)
        rows = PatternVersion.objects.filter(wanted)
        now = CorrelationPattern.objects.in_bulk({pattern for pattern, _ in asked})
        return cls({(row.pattern_id, row.version): row for row in rows}, now)

    def named(self, pattern: int, version: int) -> str:
        row = self._row(pattern, version)
        return str(row) if row else "a pattern that is gone"

    def filter(self, pattern: int, version: int) -> str:
        row = self._row(pattern, version)
        return row.filter if row else ""

    def _row(self, pattern: int, version: int) -> PatternVersion | CorrelationPattern | None:
        return self._rows.get((pattern, version)) or self._now.get(pattern)

    def url(self, pattern: int, version: int) -> str:
        return f"{reverse('patterns:detail', args=[pattern])}#version-{version}" if pattern in self._now else ""

    def reason(self, considered: Considered, sentence: str = "") -> Reason:
        """Return a verdict in words. `sentence` replaces the usual sentence of the verdict."""
        return Reason(
            pattern=self.named(considered.pattern, considered.version),
            version=considered.version,
            url=self.url(considered.pattern, considered.version),
            verdict=considered.verdict,
            sentence=sentence or sentence_of(considered, self.filter(considered.pattern, considered.version)),
            incident=considered.incident,
            window_from=considered.window_from,
            window_until=considered.window_until,
        )


def _explanation(alert: Alert, considered: Sequence[Considered], asked: AskedPatterns, home: Incident) -> Explanation:
    worded = tuple(map(asked.reason, considered))
    return Explanation(alert, _headline(alert, considered, worded, home), worded)


def _headline(alert: Alert, considered: Sequence[Considered], worded: Sequence[Reason], home: Incident) -> str:
    winner = next((reason for reason in worded if reason.won), None)
    if is_by_hand(alert, considered, home):
        other = f"#{winner.incident}" if winner and winner.incident else access.HIDDEN
        had = f"joined {other}" if winner else "opened an incident of its own"
        return f"A person put it here. By its patterns it had {had}."
    if winner:
        return f"It joined by the pattern “{winner.pattern}”."
    if any(each.verdict == "full" for each in considered):
        return "It opened this incident, because the one it belongs to was full."
    if worded:
        return "It opened this incident: no pattern led to one that was open."
    return "It opened this incident: no pattern was active."


def sentence_of(considered: Considered, filter_text: str) -> str:
    values = in_words(considered.values.items())
    return {
        "joined": f"Both have {values}, and the alert started inside the window.",
        "outranked": f"It matched too, with {values}, but an earlier pattern had found the incident already.",
        "missing_tag": f"The alert has no tag “{considered.missing}”, which this pattern compares.",
        "alone": f"No open incident had {values} then.",
        "outside_window": f"An open incident had {values}, but the alert started outside its window.",
        "full": f"The open incident with {values} had no room for another alert.",
        "filtered_out": f"This pattern's filter, {filter_text}, says no to it.",
        "inactive": f"It would have matched, with {values}, but was switched off.",
        "incident_resolved": f"The incident with {values} was resolved when the alert started.",
        "other_source": f"An open incident had {values}, but from another source, and this pattern keeps sources apart.",
    }[considered.verdict]


def in_words(values: Iterable[Sequence[str]]) -> str:
    return " and ".join(f"{tag} “{value}”" for tag, value in values)
