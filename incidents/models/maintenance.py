"""Maintenance plans: times in which certain alerts are expected (docs/wire-contract.md §6.2)."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from bpql.grammar import LENGTH_LIMIT

KEPT_FOR = timedelta(days=60)  # after the end of a plan


class Maintenance(models.IntegerChoices):
    """The extent of an incident's maintenance: none, some or all of its active alerts (docs/wire-contract.md §6.2)."""

    NONE = 0, "none"
    PARTIAL = 1, "partial"
    ACTIVE = 2, "active"  # all active alerts


class MaintenancePlanQuerySet(models.QuerySet["MaintenancePlan"]):
    def kept(self) -> Self:
        """Return the plans that people see: not deleted, and ended no longer than KEPT_FOR ago."""
        return self.filter(deleted_at=None, ends_at__gt=timezone.now() - KEPT_FOR)

    def in_state(self, state: MaintenancePlan.State) -> Self:
        """Return the plans that are in this state now, as `MaintenancePlan.state` says it."""
        now = timezone.now()
        match state:
            case MaintenancePlan.State.PLANNED:
                return self.filter(starts_at__gt=now)
            case MaintenancePlan.State.RUNNING:
                return self.filter(starts_at__lte=now, ends_at__gt=now)
            case MaintenancePlan.State.DONE:
                return self.filter(starts_at__lte=now, ends_at__lte=now)


class MaintenancePlan(models.Model):
    """A time in which alerts that match a condition are expected and need nobody's attention.

    An alert that matches, and is received or updated between start and end, is in maintenance. Correlation marks the
    alert (`incidents.correlation.maintenance`) and correlates it as usual. The incident's status and last change do not
    follow alerts in maintenance.
    """

    class State(models.TextChoices):
        PLANNED = "planned", "Planned"
        RUNNING = "running", "Running"
        DONE = "done", "Done"

    name = models.CharField(max_length=200)
    condition = models.TextField(max_length=LENGTH_LIMIT)  # BPQL on one alert
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    stopped_before = models.DateTimeField(null=True)  # the planned end, if a person stopped the plan
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
        """Return whether a person stopped the plan before its planned end, which is still to come."""
        return self.stopped_before is not None and self.stopped_before > timezone.now()
