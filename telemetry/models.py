"""Counts and measurements of the processes of a console about themselves. Every process adds to the same rows."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone


class Count(models.Model):
    """A number that only grows, with its name and labels as Prometheus writes them. It survives restarts."""

    name = models.CharField(max_length=200, primary_key=True)
    value = models.FloatField()

    def __str__(self) -> str:
        return f"{self.name} {self.value:g}"


class Gauge(models.Model):
    """A value of one process: how many streams it holds, or when one of its loops last ran (in seconds since 1970)."""

    name = models.CharField(max_length=100)
    process = models.CharField(max_length=200)
    value = models.FloatField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name", "process"], name="telemetry_one_gauge_per_process"),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.process}: {self.value:g}"
