"""Requests of the request log, and replies to requests with idempotency keys."""

from __future__ import annotations

from django.db import models


class KeptRequests(models.Model):
    """Requests of a few seconds without their credentials, packed together (alerts.health.request_log)."""

    since = models.DateTimeField()
    until = models.DateTimeField(db_index=True)
    size = models.PositiveIntegerField()  # bytes, as packed
    packed = models.BinaryField()

    class Meta:
        verbose_name_plural = "kept requests"

    def __str__(self) -> str:
        return f"{self.since} to {self.until}"


class IdempotentReply(models.Model):
    """The reply to the first request with an idempotency key."""

    key = models.UUIDField(unique=True)  # hash of the org token and the sent key
    request = models.UUIDField()  # hash of the payload
    status = models.PositiveSmallIntegerField()
    body: models.JSONField[dict[str, object] | None, dict[str, object] | None] = models.JSONField(null=True)
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name_plural = "idempotent replies"

    def __str__(self) -> str:
        return f"{self.status} at {self.created_at}"
