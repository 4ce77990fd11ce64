"""The state of an integration: hourly counts, repairs, rejected requests and requests as they come in."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Traffic(models.Model):
    """What one App Key sent in one hour."""

    app_key = models.ForeignKey("appkeys.AppKey", models.CASCADE, related_name="traffic")
    hour = models.DateTimeField()  # its beginning
    accepted = models.PositiveIntegerField(default=0)
    duplicates = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["app_key", "hour"], name="alerts_traffic_by_hour")]
        ordering: ClassVar = ["-hour"]

    def __str__(self) -> str:
        return f"{self.accepted} accepted in the hour from {self.hour}"


class Repair(models.Model):
    """A field that had to be repaired in what one App Key sent: what was done the last time, and how often."""

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
    """How an integration does, beside its hourly counts: sampled every few seconds (alerts.health.ingest_stats), never for each event."""

    app_key = models.OneToOneField("appkeys.AppKey", models.CASCADE, primary_key=True, related_name="health")
    last_event_at = models.DateTimeField(null=True)
    skew_seconds = models.FloatField(
        null=True
    )  # how far its last event's time lay ahead of its receipt; negative: behind
    most_tags = models.PositiveIntegerField(default=0)  # of any event seen, and whose it was
    most_tags_identity = models.UUIDField(null=True)
    watched_until = models.DateTimeField(null=True)  # while somebody looks at its requests as they come in
    test_ends_at = models.DateTimeField(null=True)  # when its test alert is to be resolved
    alarm_when_quiet = models.BooleanField(default=False)  # whether its silence raises an alert of our own
    quiet_alarm_at = models.DateTimeField(null=True)  # when that was raised, while it stands

    def __str__(self) -> str:
        return f"last event at {self.last_event_at}"


class Refusal(models.Model):
    """A request that was refused, in whole or in part, with a sample of what was sent: redacted, cut, the newest few, for some days."""

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
    """One incoming request while somebody watches: redacted, with the alerts it became. The newest few of each App Key are kept."""

    app_key = models.ForeignKey("appkeys.AppKey", models.CASCADE, related_name="tail")
    at = models.DateTimeField()
    path = models.CharField(max_length=200)
    status = models.PositiveSmallIntegerField()  # of the reply
    sample = models.TextField()
    said = models.TextField(blank=True)  # what the reply said of rejects and repairs
    identities: models.JSONField[list[str], list[str]] = models.JSONField(default=list)  # of the alerts it became

    class Meta:
        ordering: ClassVar = ["-pk"]
        indexes: ClassVar = [models.Index(fields=["app_key", "-id"], name="alerts_tail")]

    def __str__(self) -> str:
        return f"{self.path} at {self.at}"
