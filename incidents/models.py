"""What it means: incidents, the patterns that gather alerts into them, and the history of what happened to them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse

from alerts.events import Status, Tags
from incidents.querysets import IncidentQuerySet


def no_counts() -> list[int]:
    return [0] * len(Status)


def no_names() -> list[list[str]]:
    return [[], []]


class CorrelationPattern(models.Model):
    """A rule that alerts belong together: the same values of one to five tags, within a time window (bigpanda.md §3.1).

    Editing it raises the version and touches new incidents only.
    """

    tags: models.JSONField[list[str], list[str]] = models.JSONField()
    time_window = models.PositiveIntegerField(validators=[MinValueValidator(1), MaxValueValidator(4320)])  # minutes
    cross_source = models.BooleanField(default=True)  # alerts of different App Keys may join
    active = models.BooleanField(default=True)
    position = models.PositiveIntegerField(default=0)  # explicit order; ties: the longest window first
    note = models.TextField(blank=True, default="")
    version = models.PositiveIntegerField(default=1)

    class Meta:
        ordering: ClassVar = ["position", "-time_window", "pk"]

    def __str__(self) -> str:
        return f"same {' and '.join(self.tags)} within {self.time_window} minutes"


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


class Matcher(models.Model):
    """A pattern that all alerts of an incident match, with their shared values: what the next alert must match to join.

    One that an alert of the incident does not match is no longer `valid`, and kept for the record.
    """

    incident = models.ForeignKey(Incident, models.CASCADE, related_name="matchers")
    pattern = models.ForeignKey(CorrelationPattern, models.PROTECT, related_name="+")
    version = models.PositiveIntegerField()
    key = models.UUIDField()  # stands for pattern, version, values and, where sources may not mix, the source
    values: models.JSONField[list[list[str]], list[list[str]]] = (
        models.JSONField()
    )  # [tag, value] in the pattern's order, which jsonb objects lose
    time_window = models.PositiveIntegerField()  # minutes, of that version
    anchor_at = models.DateTimeField()  # start of the incident's first alert
    valid = models.BooleanField(default=True)
    open = models.BooleanField(default=True)  # the incident is the one that new alerts of this key join
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            # Two workers may open an incident for one key at once; the constraint lets one win.
            models.UniqueConstraint(fields=["key"], condition=Q(open=True), name="incidents_one_open_per_key"),
        ]
        indexes: ClassVar = [models.Index(fields=["key", "anchor_at"], name="incidents_matcher_by_key")]

    def __str__(self) -> str:
        return f"{' · '.join(self.shared_values)} within {self.time_window} minutes of {self.anchor_at}"

    @property
    def shared_values(self) -> list[str]:
        return [value for _, value in self.values]


class Activity(models.Model):
    """One line of an incident's history (types as in bigpanda.md §4.2)."""

    class Kind(models.TextChoices):
        CREATED = "incident_created", "Incident created"
        ALERTS_JOINED = "incident_alerts_joined", "Alerts joined"
        REOPENED = "incident_reopen", "Reopened"
        RESOLVED_BY_ALERTS = "incident_resolved_by_alerts", "Resolved: every alert is ok"
        RESOLVED_BY_HAND = "incident_resolved_ui_manually", "Resolved by hand"
        RESOLVE_UNDONE = "incident_resolve_undone", "Resolve undone"
        COMMENTED = "incident_commented", "Commented"
        ASSIGNED = "incident_assigned", "Assigned"
        UNASSIGNED = "incident_unassigned", "Unassigned"

    incident = models.ForeignKey(Incident, models.CASCADE, related_name="activities")
    kind = models.CharField(max_length=40, choices=Kind)
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    comment = models.TextField(blank=True, default="")
    details: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    undone_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-at", "-pk"]
        verbose_name_plural = "activities"

    def __str__(self) -> str:
        return self.get_kind_display()
