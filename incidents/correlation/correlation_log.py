"""Recording turns: who changes which alert an incident has, or how its alerts stand, says so in the same transaction, while they hold the domain.

Replays follow what is recorded here (incidents.replay.engine).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from alerts.models import Alert
from incidents.correlation import rules
from incidents.correlation.decide import Pattern
from incidents.models import CorrelationBatch, Incident
from incidents.models.correlation_batch import Left


def record_correlated(
    seen: Iterable[tuple[int, int, int]],
    maintenance: Iterable[tuple[int, int]],
    patterns: Sequence[Pattern],
    at: datetime,
) -> CorrelationBatch:
    """Alerts were taken in this order: [alert, revision it was counted in before or 0, revision]; some of them in maintenance: [alert, plan]."""
    taken, plans = [list(each) for each in seen], [list(each) for each in maintenance]
    return CorrelationBatch.objects.create(at=at, seen=taken, maintenance=plans, patterns=rules.named(patterns))


def record_manual_change(incidents: Iterable[int], at: datetime) -> None:
    """A person ended alerts of these incidents, brought them back, or put them elsewhere; all of it is written already."""
    rows = Incident.objects.filter(pk__in=list(incidents)).order_by("pk")
    columns = rows.values_list("pk", "first_alert", "resolved_at", "resolved_by", "changed_at")
    left = {
        pk: Left(
            incident=pk,
            first_alert=first_alert,
            seen=[],
            resolved_at=resolved_at.isoformat() if resolved_at else None,
            by_hand=resolved_by is not None,
            changed_at=changed_at.isoformat(),
        )
        for pk, first_alert, resolved_at, resolved_by, changed_at in columns
    }
    alerts = Alert.objects.filter(incident__in=list(left)).order_by("pk")
    for pk, incident, counted, revision in alerts.values_list("pk", "incident", "correlated_revision", "revision"):
        left[incident or 0]["seen"].append([pk, max(1, counted), revision])
    CorrelationBatch.objects.create(at=at, by_hand=list(left.values()))
