"""Incidents: alerts that belong together, with what the feed shows of them."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from alerts.events import Status, Tags
from incidents.querysets import IncidentQuerySet


def no_counts() -> list[int]:
    return [0] * len(Status)


def no_names() -> list[list[str]]:
    return [[], []]


class Incident(models.Model):
    """Alerts that belong together, open until each of them is `ok` or a person resolves it.

    Its counts, times and titles are rolled up from its alerts (incidents.gathering), so that the feed reads one table.
    """

    status = models.SmallIntegerField(choices=Status, default=Status.UNKNOWN)  # the most severe of its alerts
    severity = models.SmallIntegerField(choices=Status, default=Status.UNKNOWN)  # the worst it ever was
    title = models.TextField()
    subtitle = models.TextField(blank=True, default="")
    search_text = models.TextField(
        default=""
    )  # what the feed's search looks at, casefolded: databases do not agree on letters' cases
    alerts_count = models.PositiveIntegerField(default=0)
    active_count = models.PositiveIntegerField(default=0)
    status_counts: models.JSONField[list[int], list[int]] = models.JSONField(default=no_counts)  # alerts by Status
    sources: models.JSONField[list[str], list[str]] = models.JSONField(default=list)  # names of its integrations
    names: models.JSONField[list[list[str]], list[list[str]]] = models.JSONField(
        default=no_names
    )  # first distinct primary and secondary values
    shared_tags: models.JSONField[Tags, Tags] = models.JSONField(
        default=dict
    )  # tags that all its alerts have with one value
    started_at = models.DateTimeField()  # of its earliest alert
    changed_at = models.DateTimeField()  # last change of its status, or of who is in it
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )  # null: by its alerts
    assignee = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    comments_count = models.PositiveIntegerField(default=0)
    follows = models.ForeignKey(
        "self", models.SET_NULL, null=True, related_name="followed_by"
    )  # the full incident it takes over from

    objects = IncidentQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["-status", "-changed_at", "-id"], condition=Q(resolved_at=None), name="incidents_open_feed"
            ),
            models.Index(
                fields=["-resolved_at", "-id"], condition=Q(resolved_at__isnull=False), name="incidents_resolved_feed"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("incidents:detail", args=[self.pk])

    @property
    def is_open(self) -> bool:
        return self.resolved_at is None
