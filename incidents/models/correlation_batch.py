"""The sequence in which changes were correlated, which a replay follows."""

from __future__ import annotations

from typing import ClassVar, TypedDict

from django.db import models

# [pattern, version], of each pattern there is, in their order, and of one that is off a 0 behind that; as JSON.
InForce = list[list[int]]
# [alert, revision it was counted in before, revision it was seen in now], in the order they were taken; as JSON. The former is 0 while the alert
# has no incident: then all that its log says up to now decides where it comes to.
Seen = list[list[int]]


class Left(TypedDict):
    """An incident as a person left it; as JSON."""

    incident: int
    first_alert: int | None
    seen: Seen  # its alerts
    resolved_at: str | None
    by_hand: bool  # whether that was the person's doing
    changed_at: str


class CorrelationBatch(models.Model):
    """One turn at incidents: a group of alerts that correlation took, or what a person did to some.

    Who takes a turn holds the domain, so keys grow in the order of turns. With the log of events and the versions of patterns it says all
    that incidents came from: an alert was seen as its events up to that revision fold to.
    """

    at = models.DateTimeField(db_index=True)
    seen: models.JSONField[Seen, Seen] = models.JSONField(default=list)
    maintenance: models.JSONField[list[list[int]], list[list[int]]] = models.JSONField(
        default=list
    )  # [alert, plan] of those that are in maintenance
    patterns: models.JSONField[InForce, InForce] = models.JSONField(default=list)
    by_hand: models.JSONField[list[Left], list[Left]] = models.JSONField(default=list)

    class Meta:
        db_table = "incidents_turn"  # the name it was made with: older consoles write to it during an upgrade
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return f"{len(self.seen)} alerts, {len(self.by_hand)} incidents by hand, at {self.at}"
