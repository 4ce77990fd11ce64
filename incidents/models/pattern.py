"""The patterns that gather alerts into incidents, and what an incident holds of them."""

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
        """Those that are not deleted, in the order in which correlation asks them."""
        return self.filter(deleted_at=None)


class CorrelationPattern(models.Model):
    """A rule that alerts belong together: the same values of one to five tags, within a time window (docs/wire-contract.md §4.1).

    Changed by incidents.patterns.changes alone. What changes its rule raises the version and touches new incidents only; each version is kept.
    """

    uuid = models.UUIDField(unique=True, default=uuid4, editable=False)  # its name in the API
    tags: models.JSONField[list[str], list[str]] = models.JSONField()
    time_window = models.PositiveIntegerField(validators=[MinValueValidator(1), MaxValueValidator(4320)])  # minutes
    filter = models.TextField(blank=True, default="")  # BPQL on an alert, sources included; empty: every alert
    cross_source = models.BooleanField(default=True)  # alerts of different App Keys may join
    active = models.BooleanField(default=True)
    position = models.PositiveIntegerField(default=0)  # explicit order; ties: the longest window first
    note = models.TextField(blank=True, default="")
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    updated_at = models.DateTimeField(default=timezone.now)
    updated_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    suggested_at = models.DateTimeField(null=True)  # when the console proposed it, where it did
    deleted_at = models.DateTimeField(null=True)  # null: it is there; a deleted one is kept for the incidents it made

    objects = PatternQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["position", "-time_window", "pk"]

    def __str__(self) -> str:
        return rule_in_words(self.tags, self.time_window)

    def get_absolute_url(self) -> str:
        return reverse("patterns:detail", args=[self.pk])

    @property
    def as_of(self) -> str:
        """Names what it is now, for who reads it and changes it later."""
        return self.updated_at.isoformat()


class PatternVersion(models.Model):
    """A pattern as it was after one change. What leaves the rule alone, a note say, keeps the number."""

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
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")  # null: the console
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
    return f"same {' and '.join(tags)} within {window_in_words(time_window)}"


def window_in_words(minutes: int) -> str:
    count, unit = (minutes, "minute") if minutes % 60 else (minutes // 60, "hour")
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


class KeyField(models.UUIDField):  # type: ignore[type-arg]
    """A fingerprint (alerts.events): 128 bits in the database, and the text in hexadecimal here, which is made and compared much faster."""

    def from_db_value(self, value: UUID | None, expression: object, connection: object) -> str | None:
        return None if value is None else value.hex


class Matcher(models.Model):
    """A pattern that all alerts of an incident match, with their shared values: what the next alert must match to join.

    One that an alert of the incident does not match is no longer `valid`, and kept for the record.
    """

    incident = models.ForeignKey(Incident, models.CASCADE, related_name="matchers")
    pattern = models.ForeignKey(CorrelationPattern, models.PROTECT, related_name="+", db_index=False)
    version = models.PositiveIntegerField()
    key = KeyField()  # stands for pattern, version, values and, where sources may not mix, the source
    source_system = models.CharField(max_length=130, blank=True, default="")  # where sources may not mix: which
    any_source_key = KeyField(null=True)  # where sources may not mix: what the key would be if they did
    values: models.JSONField[list[list[str]], list[list[str]]] = (
        models.JSONField()
    )  # [tag, value] in the pattern's order, which jsonb objects lose
    time_window = models.PositiveIntegerField()  # minutes, of that version
    anchor_at = models.DateTimeField()  # start of the incident's first alert
    valid = models.BooleanField(default=True)
    narrowed_at = models.PositiveIntegerField(null=True)  # the how-manieth alert of the incident ended that
    open = models.BooleanField(default=True)  # the incident is the one that new alerts of this key join
    # The incident that brought it in by a merge. An alert that joins narrows only the matchers that came with the one it joined by.
    brought_from = models.ForeignKey(Incident, models.SET_NULL, null=True, related_name="+", db_index=False)

    class Meta:
        constraints: ClassVar = [
            # Two workers may open an incident for one key at once; the constraint lets one win.
            models.UniqueConstraint(fields=["key"], condition=Q(open=True), name="incidents_one_open_per_key"),
        ]
        # Only what can lead somewhere: with many patterns most matchers are narrowed away by the second alert.
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
        """As in `correlation_matchers_log`, where the window is in seconds (docs/wire-contract.md §4.2)."""
        return {
            "correlation_id": str(self.pattern.uuid),
            "time_window": self.time_window * 60,
            "tags": [{"name": name, "value": value} for name, value in self.values],
            "source_system": self.source_system or "*",
        }

    @property
    def shared_values(self) -> list[str]:
        return [value for _, value in self.values]
