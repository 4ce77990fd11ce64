"""What each pattern said of an alert when it came: judged again by the rules and the log of then, which leave nothing to remember of those that
did not match. What came of the incidents that the others led to stands on the alert's row.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from alerts.ingest.log import RevisionSpan, read_spans
from alerts.ingest.projection import project
from alerts.models import Alert
from incidents.correlation.decide import Considered, CorrelationSubject, Met, considered, judge
from incidents.correlation.rules import Versions
from incidents.models import CorrelationBatch


def reasons(alerts: Sequence[Alert]) -> dict[int, list[Considered]]:
    """By alert, in the patterns' order; of one that has no incident or was put there by hand, nothing."""
    decisions: dict[int, Any] = {alert.pk: alert.decision for alert in alerts if alert.decision}
    turns = CorrelationBatch.objects.filter(pk__in={each["turn"] for each in decisions.values()})
    rules, versions = dict(turns.values_list("pk", "patterns")), Versions()
    logs = read_spans([RevisionSpan(pk, 0, each["revision"]) for pk, each in decisions.items()])
    found: dict[int, list[Considered]] = {alert.pk: [] for alert in alerts}
    for alert in alerts:
        if alert.pk in decisions:
            decision, then = decisions[alert.pk], project(line for _, line in logs[alert.pk])
            subject = CorrelationSubject(
                alert.app_key.source_system, json.loads(then.tags), then.started_at, then.status
            )
            judged = judge(subject, versions(rules[decision["turn"]]))
            found[alert.pk] = considered(judged, map(_met, decision["met"]))
    return found


def _met(row: tuple[int, str, int, str]) -> Met:
    pattern, verdict, incident, anchor_at = row
    return Met(pattern, verdict, incident, datetime.fromisoformat(anchor_at))
