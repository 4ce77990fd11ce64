"""The sequence in which changes were correlated, which a replay follows."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

# [pattern, version], of each pattern in force, in their order; as JSON.
InForce = list[list[int]]
# [alert, revision it was correlated in before, revision it was seen in now], in the order they were taken; as JSON.
Seen = list[list[int]]


class Turn(models.Model):
    """One turn at incidents: a group of alerts that correlation took, or a change made by hand.

    Who takes a turn holds the domain, so keys grow in the order of turns. With the log of events and the versions of patterns it says all
    that incidents came from: an alert was seen as its events up to that revision fold to.
    """

    class Kind(models.IntegerChoices):
        CORRELATED = 0, "correlated"
        RESOLVED = 1, "resolved by hand"
        REOPENED = 2, "reopened by hand"
        REGROUPED = 3, "grouped by hand"

    kind = models.SmallIntegerField(choices=Kind, default=Kind.CORRELATED)
    at = models.DateTimeField(db_index=True)
    seen: models.JSONField[Seen, Seen] = models.JSONField(default=list)
    patterns: models.JSONField[InForce, InForce] = models.JSONField(default=list)
    # Of a change made by hand: an alert of the incident that was changed, or that the alerts seen were put in; null where that was a new one.
    beside = models.BigIntegerField(null=True)

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {len(self.seen)} alerts at {self.at}"
