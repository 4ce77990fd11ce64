"""Why an alert is in its incident: the decision of correlation, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from alerts.models import Alert
from incidents.correlation import Considered, reasons
from incidents.models import CorrelationPattern


@dataclass(frozen=True, slots=True)
class Reason:
    """What one pattern said of an alert."""

    pattern: str
    sentence: str
    won: bool
    incident: int | None = None
    window_from: datetime | None = None
    window_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    alert: Alert
    headline: str
    reasons: tuple[Reason, ...]


def explain(alerts: Iterable[Alert]) -> list[Explanation]:
    """One explanation for each alert, in their order."""
    alerts = list(alerts)
    patterns = CorrelationPattern.objects.in_bulk(
        {each.pattern for alert in alerts for each in reasons(alert.decision)}
    )
    return [_explanation(alert, patterns) for alert in alerts]


def _explanation(alert: Alert, patterns: Mapping[int, CorrelationPattern]) -> Explanation:
    considered = reasons(alert.decision)
    said = tuple(_reason(each, patterns.get(each.pattern)) for each in considered)
    if winner := next((reason for reason in said if reason.won), None):
        headline = f"It joined by the pattern “{winner.pattern}”."
    elif any(each.verdict == "full" for each in considered):
        headline = "It opened this incident, because the one it belongs to was full."
    elif said:
        headline = "It opened this incident: no pattern led to one that was open."
    else:
        headline = "It opened this incident: no pattern was active."
    return Explanation(alert, headline, said)


def _reason(considered: Considered, pattern: CorrelationPattern | None) -> Reason:
    values = " and ".join(f"{tag} “{value}”" for tag, value in considered.values.items())
    sentence = {
        "joined": f"Both have {values}, and the alert started inside the window.",
        "outranked": f"It matched too, with {values}, but an earlier pattern had found the incident already.",
        "missing_tag": f"The alert has no tag “{considered.missing}”, which this pattern compares.",
        "alone": f"No open incident had {values} then.",
        "outside_window": f"An open incident had {values}, but the alert started outside its window.",
        "full": f"The open incident with {values} had no room for another alert.",
        "filtered_out": "The alert is not among those that this pattern's filter names.",
        "inactive": f"It would have matched, with {values}, but was switched off.",
        "incident_resolved": f"The incident with {values} was resolved when the alert started.",
        "other_source": f"An open incident had {values}, but from another source, and this pattern keeps sources apart.",
    }[considered.verdict]
    return Reason(
        pattern=_named(pattern, considered.version),
        sentence=sentence,
        won=considered.verdict == "joined",
        incident=considered.incident,
        window_from=considered.window_from,
        window_until=considered.window_until,
    )


def _named(pattern: CorrelationPattern | None, version: int) -> str:
    if pattern is None:
        return "a pattern that is gone"
    return (
        str(pattern)
        if pattern.version == version
        else f"{pattern} (its version {version} decided, it has been edited since)"
    )
