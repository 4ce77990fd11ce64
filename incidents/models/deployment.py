"""What was rolled out, and where: the first thing one asks when something breaks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from incidents.models.incident import Incident

BEFORE = timedelta(
    hours=4
)  # how long before an incident a deployment may still have caused it, as changes in docs/wire-contract.md §4.3


class DeploymentQuerySet(models.QuerySet["Deployment"]):
    def during(self, start: datetime, end: datetime) -> Self:
        """Those that were in progress at some moment of it."""
        return self.filter(started_at__lte=end).filter(Q(ended_at=None) | Q(ended_at__gte=start))

    def beside(self, incident: Incident) -> Self:
        """Those around an incident's time, from four hours before it, that share a host or a tag's value with one of its alerts; oldest first."""
        near = list(self.during(incident.started_at - BEFORE, incident.resolved_at or timezone.now()))
        said = _values(incident) if near else set()
        return self.filter(pk__in=[each.pk for each in near if each.names & said]).order_by("started_at", "pk")


class Deployment(models.Model):
    """One version of a component, rolled out on some hosts: in progress until a matching end (docs/wire-contract.md §8.5)."""

    class Status(models.TextChoices):
        IN_PROGRESS = "start", "In progress"
        SUCCESS = "success", "Succeeded"
        FAILURE = "failure", "Failed"

    component = models.TextField()
    version = models.TextField()
    hosts: models.JSONField[list[str], list[str]] = models.JSONField(default=list)
    match_key = models.CharField(max_length=64)  # stands for component, version and hosts, whatever their order
    status = models.CharField(max_length=10, choices=Status, default=Status.IN_PROGRESS)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    owner = models.TextField(blank=True, default="")
    description = models.TextField(blank=True, default="")
    source = models.TextField(blank=True, default="")
    env = models.TextField(blank=True, default="")
    error_message = models.TextField(blank=True, default="")
    properties: models.JSONField[dict[str, str], dict[str, str]] = models.JSONField(default=dict)

    objects = DeploymentQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["started_at"], name="incidents_deploy_by_start"),
            models.Index(fields=["match_key"], condition=Q(ended_at=None), name="incidents_deploy_in_progress"),
        ]

    def __str__(self) -> str:
        return f"{self.component} {self.version}"

    @property
    def names(self) -> set[str]:
        """What it is told by, to be looked for in tags: hosts, component and the values of its properties."""
        return {name.casefold() for name in (*self.hosts, self.component, *self.properties.values()) if name}


def key_of(component: str, version: str, hosts: Iterable[str]) -> str:
    return hashlib.sha256(json.dumps([component, version, sorted(set(hosts))]).encode()).hexdigest()


def _values(incident: Incident) -> set[str]:
    """Every value that a tag of one of its alerts has."""
    found: set[str] = set()
    for tags in incident.alerts.values_list("tags", flat=True).iterator():
        for value in tags.values():
            found.update(each.casefold() for each in (value if isinstance(value, list) else [value]))
    return found
