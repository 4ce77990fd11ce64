"""Maintenance plans: times in which certain alerts are expected, and call nobody (docs/wire-contract.md §6.2)."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from bpql.grammar import LENGTH_LIMIT

KEPT_FOR = timedelta(days=60)  # after its end


class Maintenance(models.IntegerChoices):
    """How many of an incident's active alerts are in maintenance (docs/wire-contract.md §6.2)."""

    NONE = 0, "none"
    PARTIAL = 1, "partial"
    ACTIVE = 2, "active"  # all of them


class MaintenancePlanQuerySet(models.QuerySet["MaintenancePlan"]):
    def kept(self) -> Self:
        """Those that people see: not deleted, and not over for long."""
        return self.filter(deleted_at=None, ends_at__gt=timezone.now() - KEPT_FOR)


class MaintenancePlan(models.Model):
    """Alerts that match its condition, and are received or updated between its start and its end, are in maintenance.

    They are correlated as ever, but neither the status nor the last change of their incident follows them. Which alerts those are is kept with
    them (incidents.correlation.maintenance).
    """

    class State(models.TextChoices):
        PLANNED = "planned", "Planned"
        RUNNING = "running", "Running"
        DONE = "done", "Done"

    name = models.CharField(max_length=200)
    condition = models.TextField(max_length=LENGTH_LIMIT)  # BPQL, about one alert
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    stopped_before = models.DateTimeField(null=True)  # when it was to end, where somebody stopped it
    description = models.TextField(blank=True, default="", max_length=2000)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    deleted_at = models.DateTimeField(null=True)

    objects = MaintenancePlanQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["starts_at", "pk"]
        indexes: ClassVar = [models.Index(fields=["ends_at"], name="incidents_maintenance_by_end")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("maintenance:detail", args=[self.pk])

    @property
    def state(self) -> State:
        now = timezone.now()
        if now < self.starts_at:
            return self.State.PLANNED
        return self.State.RUNNING if now < self.ends_at else self.State.DONE

    @property
    def can_go_on(self) -> bool:
        """Whether it was stopped, and would not be over yet."""
        return self.stopped_before is not None and self.stopped_before > timezone.now()
