"""Deployments: new versions of software on hosts, which may have caused incidents (docs/wire-contract.md §8.5)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from incidents.models.incident import Incident

# The time before an incident in which a deployment may have caused it, as for changes (docs/wire-contract.md §4.3).
BEFORE = timedelta(hours=4)


class DeploymentQuerySet(models.QuerySet["Deployment"]):
    def during(self, start: datetime, end: datetime) -> Self:
        """Return the deployments that were in progress at some time between two times."""
        return self.filter(started_at__lte=end).filter(Q(ended_at=None) | Q(ended_at__gte=start))

    def beside(self, incident: Incident) -> Self:
        """Return the deployments that may have caused an incident, the oldest first.

        Such a deployment was in progress during the incident or less than BEFORE earlier, and one of its names is a
        tag's value on an alert of the incident.
        """
        near = list(self.during(incident.started_at - BEFORE, incident.resolved_at or timezone.now()))
        values = _values(incident) if near else {}
        return self.filter(pk__in=[each.pk for each in near if each.concerns(values)]).order_by("started_at", "pk")


class Deployment(models.Model):
    """A version of a component that was installed on hosts (docs/wire-contract.md §8.5).

    A deployment is in progress until an end with the same component, version and hosts is reported.
    """

    class Status(models.TextChoices):
        IN_PROGRESS = "start", "In progress"
        SUCCESS = "success", "Succeeded"
        FAILURE = "failure", "Failed"

    component = models.TextField()
    version = models.TextField()
    hosts: models.JSONField[list[str], list[str]] = models.JSONField(default=list)
    match_key = models.CharField(max_length=64)  # a hash of component, version, the sorted hosts and `app_key_ids`
    # The integrations whose alerts it may stand beside: those of the org token that reported it. Null: all of them.
    app_key_ids: models.JSONField[list[int] | None, list[int] | None] = models.JSONField(null=True)
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
        """The names to look for in tags, case-folded: hosts, component and values of properties."""
        return {name.casefold() for name in (*self.hosts, self.component, *self.properties.values()) if name}

    def concerns(self, values: Mapping[int, set[str]]) -> bool:
        """Return whether one of its names is among the values of alerts that it may stand beside, by App Key."""
        names = self.names
        return any(
            names & found
            for app_key, found in values.items()
            if self.app_key_ids is None or app_key in self.app_key_ids
        )


def key_of(component: str, version: str, hosts: Iterable[str], app_key_ids: list[int] | None = None) -> str:
    """Return the `match_key` of a deployment. A limited org token finds only what tokens with its limit reported."""
    parts: list[object] = [component, version, sorted(set(hosts))]
    if app_key_ids is not None:
        parts.append(app_key_ids)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _values(incident: Incident) -> dict[int, set[str]]:
    """Return the values of all tags of an incident's alerts, case-folded, by App Key."""
    found: dict[int, set[str]] = {}
    for app_key, tags in incident.alerts.values_list("app_key", "tags").iterator():
        values = found.setdefault(app_key, set())
        for value in tags.values():
            values.update(each.casefold() for each in (value if isinstance(value, list) else [value]))
    return found
