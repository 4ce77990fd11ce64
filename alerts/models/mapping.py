"""Mappings from the payloads of an App Key to alerts."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q


class Mapping(models.Model):
    """A version of the mapping of an App Key: a configuration object as in docs/wire-contract.md §9.2.

    Versions are only added. At most one is current. Without a current one, the source of the tool reads the payloads.
    """

    app_key = models.ForeignKey("appkeys.AppKey", models.CASCADE, related_name="mappings")
    version = models.PositiveIntegerField()
    config: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField()
    sample: models.JSONField[Any, Any] = models.JSONField()
    is_current = models.BooleanField(default=False)
    note = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering: ClassVar = ["-version"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["app_key", "version"], name="alerts_mapping_version"),
            models.UniqueConstraint(
                fields=["app_key"], condition=Q(is_current=True), name="alerts_one_current_mapping_per_app_key"
            ),
        ]

    def __str__(self) -> str:
        return f"version {self.version}"
