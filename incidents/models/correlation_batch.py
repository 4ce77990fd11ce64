"""The correlation log (docs/how-it-works.md §4.4)."""

from __future__ import annotations

from typing import ClassVar, TypedDict

from django.db import models

# A list of [pattern, version], in the patterns' order. A pattern that was switched off has a third element, 0.
PatternsInForce = list[list[int]]
# A list of [alert, revision that was counted before, revision that was seen], in the order of processing. The revision
# that was counted before is 0 while the alert has no incident: the whole log of the alert up to the revision seen then
# decides its incident.
SeenRevisions = list[list[int]]


class IncidentState(TypedDict):
    """An incident as a manual change left it, as JSON in `CorrelationBatch.by_hand`."""

    incident: int
    first_alert: int | None
    seen: SeenRevisions  # all alerts of the incident
    resolved_at: str | None  # ISO 8601
    by_hand: bool  # whether a person resolved the incident
    changed_at: str  # ISO 8601


class CorrelationBatch(models.Model):
    """An entry of the correlation log: the alerts that one round of correlation processed, or one manual change.

    The writer holds the correlation lock, so primary keys grow in the order of the changes. Incidents follow from this
    log, the events and the pattern versions: an alert was seen as the projection of its events up to the revision in
    `seen`.
    """

    at = models.DateTimeField(db_index=True)
    seen: models.JSONField[SeenRevisions, SeenRevisions] = models.JSONField(default=list)
    # A list of [alert, plan] for the alerts that are in maintenance.
    maintenance: models.JSONField[list[list[int]], list[list[int]]] = models.JSONField(default=list)
    patterns: models.JSONField[PatternsInForce, PatternsInForce] = models.JSONField(default=list)
    by_hand: models.JSONField[list[IncidentState], list[IncidentState]] = models.JSONField(default=list)

    class Meta:
        # The first name of the table, because a console of an earlier version writes to the table during an upgrade.
        db_table = "incidents_turn"
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return f"{len(self.seen)} alerts, {len(self.by_hand)} incidents by hand, at {self.at}"
