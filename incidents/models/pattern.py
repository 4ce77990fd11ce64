"""Correlation patterns, and the matchers of incidents that follow from patterns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self
from uuid import UUID, uuid4

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from incidents.models.incident import Incident


class PatternQuerySet(models.QuerySet["CorrelationPattern"]):
    def present(self) -> Self:
        """Return the patterns that are not deleted, in the order in which correlation asks them."""
        return self.filter(deleted_at=None)


class CorrelationPattern(models.Model):
    """A rule that alerts belong together: equal values of one to five tags within a time window.

    See docs/wire-contract.md §4.1. Only `incidents.patterns.changes` changes patterns. A change of the rule raises the
    version and affects new incidents only. Each version is kept.
    """

    uuid = models.UUIDField(unique=True, default=uuid4, editable=False)  # the id in the API
    tags: models.JSONField[list[str], list[str]] = models.JSONField()
    time_window = models.PositiveIntegerField(validators=[MinValueValidator(1), MaxValueValidator(4320)])  # minutes
    filter = models.TextField(blank=True, default="")  # BPQL on one alert and its source; empty accepts every alert
    cross_source = models.BooleanField(default=True)  # whether alerts of different App Keys may be together
    active = models.BooleanField(default=True)
    position = models.PositiveIntegerField(default=0)  # explicit order; among equals, the longest window comes first
    note = models.TextField(blank=True, default="")
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    updated_at = models.DateTimeField(default=timezone.now)
    updated_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    suggested_at = models.DateTimeField(null=True)  # set if the console suggested the pattern
    deleted_at = models.DateTimeField(null=True)  # a deleted pattern is kept for its incidents

    objects = PatternQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["position", "-time_window", "pk"]

    def __str__(self) -> str:
        return rule_in_words(self.tags, self.time_window)

    def get_absolute_url(self) -> str:
        return reverse("patterns:detail", args=[self.pk])

    @property
    def as_of(self) -> str:
        """Identify the present state of the pattern, so that a later change notices an edit in between."""
        return self.updated_at.isoformat()


class PatternVersion(models.Model):
    """A pattern as it was after one change.

    A change that leaves the rule as it was, such as a note, keeps the version number.
    """

    class Change(models.TextChoices):
        CREATED = "created", "Created"
        EDITED = "edited", "Edited"
        ACTIVATED = "activated", "Activated"
        DEACTIVATED = "deactivated", "Deactivated"
        DELETED = "deleted", "Deleted"
        RESTORED = "restored", "Restored"

    pattern = models.ForeignKey(CorrelationPattern, models.CASCADE, related_name="versions")
    version = models.PositiveIntegerField()
    change = models.CharField(max_length=20, choices=Change)
    at = models.DateTimeField()
    # Null for a change by the console.
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    tags: models.JSONField[list[str], list[str]] = models.JSONField()
    time_window = models.PositiveIntegerField()  # minutes
    filter = models.TextField(blank=True, default="")
    cross_source = models.BooleanField()
    active = models.BooleanField()
    note = models.TextField(blank=True, default="")

    class Meta:
        ordering: ClassVar = ["-pk"]
        indexes: ClassVar = [models.Index(fields=["pattern", "version"], name="incidents_pattern_versions")]

    def __str__(self) -> str:
        return rule_in_words(self.tags, self.time_window)


def rule_in_words(tags: Sequence[str], time_window: int) -> str:
    """Return a rule in words, as in "same host and check within 30 minutes". `time_window` is in minutes."""
    return f"same {' and '.join(tags)} within {window_in_words(time_window)}"


def window_in_words(minutes: int) -> str:
    """Return a time window in words, as in "1 hour"."""
    count, unit = (minutes, "minute") if minutes % 60 else (minutes // 60, "hour")
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


class KeyField(models.UUIDField):  # type: ignore[type-arg]
    """A fingerprint (`alerts.events.fingerprint`): 128 bits in the database, and hexadecimal text in Python.

    Text is created and compared much faster than a `UUID`.
    """

    def from_db_value(self, value: UUID | None, expression: object, connection: object) -> str | None:
        return None if value is None else value.hex


class Matcher(models.Model):
    """A pattern that the alerts of an incident match, with the values that they share (docs/how-it-works.md §4.2).

    An alert with the same values can join the incident through the matcher. A matcher that an alert of the incident
    does not match is no longer `valid`, and is kept for the history.
    """

    incident = models.ForeignKey(Incident, models.CASCADE, related_name="matchers")
    pattern = models.ForeignKey(CorrelationPattern, models.PROTECT, related_name="+", db_index=False)
    version = models.PositiveIntegerField()
    # A hash of pattern, version, values, and the source system unless the pattern crosses sources.
    key = KeyField()
    # For a pattern that separates sources: the source system, and the key without the source system.
    source_system = models.CharField(max_length=130, blank=True, default="")
    any_source_key = KeyField(null=True)
    # A list of [tag, value], because a JSON object in PostgreSQL would lose the pattern's order.
    values: models.JSONField[list[list[str]], list[list[str]]] = models.JSONField()
    time_window = models.PositiveIntegerField()  # minutes, of that version
    anchor_at = models.DateTimeField()  # start of the incident's first alert
    valid = models.BooleanField(default=True)
    # The number of the alert, counted within the incident, that made the matcher invalid.
    narrowed_at = models.PositiveIntegerField(null=True)
    # Whether new alerts with this key join this incident, the latest opened incident with the key.
    open = models.BooleanField(default=True)
    # The incident from which a merge brought the matcher. An alert that joins narrows only matchers from the same
    # incident.
    brought_from = models.ForeignKey(Incident, models.SET_NULL, null=True, related_name="+", db_index=False)

    class Meta:
        constraints: ClassVar = [
            # Two workers may open an incident for one key at once. The constraint lets one succeed.
            models.UniqueConstraint(fields=["key"], condition=Q(open=True), name="incidents_one_open_per_key"),
        ]
        # Only matchers through which alerts can join. With many patterns, the second alert invalidates most matchers.
        indexes: ClassVar = [
            models.Index(fields=["key", "anchor_at"], condition=Q(valid=True), name="incidents_matcher_leads"),
            models.Index(
                fields=["any_source_key"],
                condition=Q(any_source_key__isnull=False, open=True),
                name="incidents_matcher_any_source",
            ),
        ]

    def __str__(self) -> str:
        return f"{' · '.join(self.shared_values)} within {self.time_window} minutes of {self.anchor_at}"

    def as_data(self) -> dict[str, Any]:
        """Return the matcher as in `correlation_matchers_log`, with seconds (docs/wire-contract.md §4.2)."""
        return {
            "correlation_id": str(self.pattern.uuid),
            "time_window": self.time_window * 60,
            "tags": [{"name": name, "value": value} for name, value in self.values],
            "source_system": self.source_system or "*",
        }

    @property
    def shared_values(self) -> list[str]:
        return [value for _, value in self.values]
