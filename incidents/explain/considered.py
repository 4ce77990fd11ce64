"""Verdicts of the patterns on an alert, as of the time when the alert was correlated (docs/how-it-works.md §7).

The alert's row has the incidents that the matches found. The other verdicts are not stored: the alert as of that
revision and the pattern versions of that batch give the same verdicts again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence, Set
from dataclasses import replace
from datetime import datetime
from typing import Any

from alerts.ingest.log import RevisionSpan, read_spans
from alerts.ingest.projection import project
from alerts.models import Alert
from incidents.correlation.decide import Considered, CorrelationSubject, Met, considered, evaluate
from incidents.correlation.rules import Versions
from incidents.models import CorrelationBatch, Incident
from incidents.models.access import Reader


def reasons(alerts: Sequence[Alert], reader: Reader) -> dict[int, list[Considered]]:
    """Return the verdicts by alert, in the patterns' order. An alert that correlation did not decide about has none.

    A verdict names no incident that the reader may not see.
    """
    decisions: dict[int, Any] = {alert.pk: alert.decision for alert in alerts if alert.decision}
    batches = CorrelationBatch.objects.filter(pk__in={each["turn"] for each in decisions.values()})
    in_force, versions = dict(batches.values_list("pk", "patterns")), Versions()
    logs = read_spans([RevisionSpan(pk, 0, each["revision"]) for pk, each in decisions.items()])
    found: dict[int, list[Considered]] = {alert.pk: [] for alert in alerts}
    for alert in alerts:
        if alert.pk in decisions:
            decision, then = decisions[alert.pk], project(line for _, line in logs[alert.pk])
            tags = json.loads(then.tags)
            subject = CorrelationSubject(alert.app_key.source_system, tags, then.started_at, then.status)
            evaluated = evaluate(subject, versions(in_force[decision["turn"]]))
            found[alert.pk] = considered(evaluated, map(_met, decision["met"]))
    named = {each.incident for verdicts in found.values() for each in verdicts if each.incident}
    hidden = named - Incident.objects.seen_among(named, reader)
    if not hidden:
        return found
    return {pk: [_without(hidden, each) for each in verdicts] for pk, verdicts in found.items()}


def _without(hidden: Set[int], each: Considered) -> Considered:
    return replace(each, incident=None) if each.incident in hidden else each


def _met(row: tuple[int, str, int, str]) -> Met:
    pattern, verdict, incident, anchor_at = row
    return Met(pattern, verdict, incident, datetime.fromisoformat(anchor_at))
