"""The correlation log (docs/how-it-works.md §4.4).

The log has each change of the alerts that an incident has, and of how the incident counts them. Each change is recorded
in the transaction that makes it, while the correlation lock is held. `incidents.replay.engine` follows the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from alerts.models import Alert
from incidents.correlation.decide import Pattern
from incidents.models import CorrelationBatch, Incident
from incidents.models.correlation_batch import IncidentState, PatternsInForce


def record_correlated(
    seen: Iterable[tuple[int, int, int]],
    maintenance: Iterable[tuple[int, int]],
    patterns: Sequence[Pattern],
    at: datetime,
) -> CorrelationBatch:
    """Record the alerts that one round of correlation processed, in their order.

    The arguments have the shapes of the fields `seen` and `maintenance` of `CorrelationBatch`.
    """
    rows, plans = [list(each) for each in seen], [list(each) for each in maintenance]
    return CorrelationBatch.objects.create(at=at, seen=rows, maintenance=plans, patterns=_in_force(patterns))


def _in_force(patterns: Iterable[Pattern]) -> PatternsInForce:
    return [
        [pattern.pk, pattern.version] if pattern.active else [pattern.pk, pattern.version, 0] for pattern in patterns
    ]


def record_manual_change(incidents: Iterable[int], at: datetime) -> None:
    """Record incidents of which a person ended, brought back or moved alerts.

    The caller has written the change before.
    """
    rows = Incident.objects.filter(pk__in=list(incidents)).order_by("pk")
    columns = rows.values_list("pk", "first_alert", "resolved_at", "resolved_by", "changed_at")
    states = {
        pk: IncidentState(
            incident=pk,
            first_alert=first_alert,
            seen=[],
            resolved_at=resolved_at.isoformat() if resolved_at else None,
            by_hand=resolved_by is not None,
            changed_at=changed_at.isoformat(),
        )
        for pk, first_alert, resolved_at, resolved_by, changed_at in columns
    }
    alerts = Alert.objects.filter(incident__in=list(states)).order_by("pk")
    for pk, incident, counted, revision in alerts.values_list("pk", "incident", "correlated_revision", "revision"):
        states[incident or 0]["seen"].append([pk, max(1, counted), revision])
    CorrelationBatch.objects.create(at=at, by_hand=list(states.values()))
