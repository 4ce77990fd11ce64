"""The history of what happened to an incident."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models

from incidents.models.incident import Incident


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
