"""Why an alert is in its incident: the decision of correlation, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerts.models import Alert
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
    patterns = CorrelationPattern.objects.in_bulk({row["pattern"] for alert in alerts for row in _considered(alert)})
    return [_explanation(alert, patterns) for alert in alerts]


def _explanation(alert: Alert, patterns: Mapping[int, CorrelationPattern]) -> Explanation:
    reasons = tuple(_reason(row, patterns.get(row["pattern"])) for row in _considered(alert))
    if winner := next((reason for reason in reasons if reason.won), None):
        headline = f"It joined by the pattern “{winner.pattern}”."
    elif any(row["verdict"] == "full" for row in _considered(alert)):
        headline = "It opened this incident, because the one it belongs to was full."
    elif reasons:
        headline = "It opened this incident: no pattern led to one that was open."
    else:
        headline = "It opened this incident: no pattern was active."
    return Explanation(alert, headline, reasons)


def _considered(alert: Alert) -> list[dict[str, Any]]:
    rows: Any = (alert.decision or {}).get("considered", [])
    return list(rows)


def _reason(row: Mapping[str, Any], pattern: CorrelationPattern | None) -> Reason:
    values = " and ".join(f"{tag} “{value}”" for tag, value in row.get("values", {}).items())
    sentence = {
        "joined": f"Both have {values}, and the alert started inside the window.",
        "opened": f"It opened an incident for {values}.",
        "outranked": f"It matched too, with {values}, but an earlier pattern had found the incident already.",
        "missing_tag": f"The alert has no tag “{row.get('missing', '')}”, which this pattern compares.",
        "alone": f"No open incident had {values} then.",
        "outside_window": f"An open incident had {values}, but the alert started outside its window.",
        "full": f"The open incident with {values} had no room for another alert.",
    }.get(row["verdict"], f"It said: {row['verdict']}.")
    return Reason(
        pattern=_named(pattern, row["version"]),
        sentence=sentence,
        won=row["verdict"] == "joined",
        incident=row.get("incident"),
        window_from=_edge(row, "window_from"),
        window_until=_edge(row, "window_until"),
    )


def _named(pattern: CorrelationPattern | None, version: int) -> str:
    if pattern is None:
        return "a pattern that is gone"
    return (
        str(pattern)
        if pattern.version == version
        else f"{pattern} (its version {version} decided, it has been edited since)"
    )


def _edge(row: Mapping[str, Any], name: str) -> datetime | None:
    return datetime.fromisoformat(row[name]) if name in row else None
