"""The state of an integration: hourly counts, repairs, rejected requests, and requests as they are received."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Traffic(models.Model):
    """Counts of the events of one App Key in one hour."""

    app_key = models.ForeignKey("appkeys.AppKey", models.CASCADE, related_name="traffic")
    hour = models.DateTimeField()  # its start
    accepted = models.PositiveIntegerField(default=0)
    duplicates = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["app_key", "hour"], name="alerts_traffic_by_hour")]
        ordering: ClassVar = ["-hour"]

    def __str__(self) -> str:
        return f"{self.accepted} accepted in the hour from {self.hour}"


class Repair(models.Model):
    """A field that was repaired in events of one App Key: the last rule, and the number of repairs."""

    app_key = models.ForeignKey("appkeys.AppKey", models.CASCADE, related_name="repairs")
    field = models.TextField()
    rule = models.TextField()
    times = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["app_key", "field"], name="alerts_repair_by_field")]
        ordering: ClassVar = ["-last_at"]

    def __str__(self) -> str:
        return f"{self.field}: {self.rule}"


class Health(models.Model):
    """Values of an integration beside its hourly counts, sampled every few seconds (alerts.health.ingest_stats)."""

    app_key = models.OneToOneField("appkeys.AppKey", models.CASCADE, primary_key=True, related_name="health")
    last_event_at = models.DateTimeField(null=True)
    skew_seconds = models.FloatField(null=True)  # timestamp of the last event minus time of receipt
    most_tags = models.PositiveIntegerField(default=0)  # of a sampled event, with its identity
    most_tags_identity = models.UUIDField(null=True)
    watched_until = models.DateTimeField(null=True)  # end of the time in which a person watches its requests
    test_ends_at = models.DateTimeField(null=True)  # time to resolve its test alert
    alarm_when_quiet = models.BooleanField(default=False)  # whether its silence raises a self-alert
    quiet_alarm_at = models.DateTimeField(null=True)  # time of that alert, while it is active

    def __str__(self) -> str:
        return f"last event at {self.last_event_at}"


class Refusal(models.Model):
    """A request that was rejected, in whole or in part, with a redacted and shortened sample of its body.

    The newest few of each App Key are kept for some days (alerts.health.inbox).
    """

    app_key = models.ForeignKey("appkeys.AppKey", models.CASCADE, related_name="refusals")
    at = models.DateTimeField()
    path = models.CharField(max_length=200)
    reasons: models.JSONField[list[str], list[str]] = models.JSONField()
    sample = models.TextField()

    class Meta:
        ordering: ClassVar = ["-at", "-pk"]
        indexes: ClassVar = [models.Index(fields=["app_key", "-at"], name="alerts_refusals")]

    def __str__(self) -> str:
        return f"{self.path}: {'; '.join(self.reasons)}"


class TailLine(models.Model):
    """A redacted request, recorded while a person watches, with its alerts. The newest few of each App Key are kept."""

    app_key = models.ForeignKey("appkeys.AppKey", models.CASCADE, related_name="tail")
    at = models.DateTimeField()
    path = models.CharField(max_length=200)
    status = models.PositiveSmallIntegerField()  # of the reply
    sample = models.TextField()
    said = models.TextField(blank=True)  # rejects and repairs in the reply
    identities: models.JSONField[list[str], list[str]] = models.JSONField(default=list)  # of its alerts

    class Meta:
        ordering: ClassVar = ["-pk"]
        indexes: ClassVar = [models.Index(fields=["app_key", "-id"], name="alerts_tail")]

    def __str__(self) -> str:
        return f"{self.path} at {self.at}"
