"""What was sent: alerts, and the log of events they are made of."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from alerts.events import Status, Tags, shown

_last_key = 0
_last_key_lock = threading.Lock()


def time_ordered_key() -> int:
    """A 63-bit key that grows with time: microseconds since 1970, times 512, plus what keeps keys of one process apart and growing.

    Rows can be written in bulk without asking the database for keys first, and history can be trimmed and partitioned by key. Two processes that
    make the same key at once collide on the primary key, and the write is tried again.
    """
    global _last_key
    with _last_key_lock:
        _last_key = max(_last_key + 1, time.time_ns() // 1000 << 9)
        return _last_key


def moment_of(key: int) -> datetime:
    """When a time-ordered key was made."""
    return datetime.fromtimestamp((key >> 9) / 1e6, UTC)


def key_at(moment: datetime) -> int:
    """The first key that can have been made at that moment or after it."""
    return round(moment.timestamp() * 1e6) << 9


class Alert(models.Model):
    """One life of one identity: from its first event until `ok`, and on when it reopens within the reopen window.

    Status, tags and times are the fold of its events in order of their time (alerts.folding); `revision` counts the stored events and
    manual changes, `correlated_revision` is the last one that correlation has seen.
    """

    id = models.BigIntegerField(primary_key=True, default=time_ordered_key, editable=False)
    # No constraint in the database: it would lock the App Key's row for each alert. Keys are deactivated, not deleted.
    app_key = models.ForeignKey(
        "appkeys.AppKey", models.PROTECT, related_name="alerts", db_index=False, db_constraint=False
    )
    identity = models.UUIDField()  # App Key and identifier
    identifier = models.TextField()
    life = models.PositiveIntegerField(default=1)  # counts the lives of its identity
    is_current = models.BooleanField(default=True)  # whether this is the latest of them

    status = models.SmallIntegerField(choices=Status)
    severity = models.SmallIntegerField(choices=Status)  # the worst it ever was; OK for one that never was active
    tags: models.JSONField[Tags, Tags] = models.JSONField(default=dict)
    primary_property = models.TextField()
    secondary_property = models.TextField(default="")
    notes: models.JSONField[list[str], list[str]] = models.JSONField(
        default=list
    )  # what had to be repaired in its events, in words
    started_at = models.DateTimeField()  # the time of its first active event
    changed_at = models.DateTimeField()  # of its last change of status
    ended_at = models.DateTimeField(null=True)  # of its last change to OK; null while it is active
    last_event_at = models.DateTimeField()  # the newest event's time, which decides status and tags
    last_content = models.UUIDField(null=True)  # of the newest event; null when that was made by hand
    status_changes: models.JSONField[list[int], list[int]] = models.JSONField(
        default=list
    )  # when its status changed, the latest times alone, in microseconds since 1970 (alerts.flapping)

    revision = models.PositiveIntegerField(default=1)
    correlated_revision = models.PositiveIntegerField(default=0)
    incident = models.ForeignKey("incidents.Incident", models.PROTECT, null=True, related_name="alerts", db_index=False)
    counted_status = models.SmallIntegerField(
        choices=Status, null=True
    )  # the status that its incident's counts hold of it
    # By which plan it is in maintenance: from an update while that runs, until the next active one after it (incidents.maintenance).
    maintenance_plan = models.ForeignKey(
        "incidents.MaintenancePlan", models.SET_NULL, null=True, related_name="alerts", db_index=False
    )
    search_text = models.TextField(
        default="", db_default=""
    )  # its tags as queries look at them (incidents.bpql.search_text); written by correlation, since ingest must not wait for it
    # Why it is in its incident, as data (incidents.reasons).
    decision: models.JSONField[dict[str, object] | None, dict[str, object] | None] = models.JSONField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["identity"], condition=Q(is_current=True), name="alerts_one_current_per_identity"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["id"], condition=Q(revision__gt=F("correlated_revision")), name="alerts_behind"),
            models.Index(fields=["identity"], condition=Q(is_current=False), name="alerts_former_lives"),
            models.Index(fields=["incident", "status"], condition=Q(incident__isnull=False), name="alerts_by_incident"),
            models.Index(
                fields=["maintenance_plan"],
                condition=Q(maintenance_plan__isnull=False),
                name="alerts_by_maintenance_plan",
            ),
        ]

    def __str__(self) -> str:
        return self.identifier

    @property
    def is_active(self) -> bool:
        return self.status != Status.OK

    @property
    def primary_value(self) -> str:
        return shown(self.tags.get(self.primary_property, ""))

    @property
    def secondary_value(self) -> str:
        return shown(self.tags.get(self.secondary_property, ""))


class Event(models.Model):
    """One line of the log an alert is folded from. Append-only.

    Most were sent. A manual resolve and its undo stand in the same log, so that what an alert was at any moment, and why, can be computed.
    """

    class Kind(models.IntegerChoices):
        SENT = 0, "sent"
        RESOLVE = 1, "resolved by hand"
        UNDO = 2, "resolve undone"

    id = models.BigIntegerField(primary_key=True, default=time_ordered_key, editable=False)
    # No constraint in the database: the log is written in the same transaction as its alert, and trimmed by time.
    alert = models.ForeignKey(Alert, models.CASCADE, related_name="events", db_constraint=False, db_index=False)
    kind = models.SmallIntegerField(choices=Kind, default=Kind.SENT)
    status = models.SmallIntegerField(choices=Status)
    tags: models.JSONField[Tags, Tags] = models.JSONField(default=dict)
    content = models.UUIDField(null=True)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()
    revision = models.PositiveIntegerField(default=1)  # of its alert, which it came with
    undoes = models.BigIntegerField(null=True)  # key of the manual resolve that an UNDO takes back
    activity = models.BigIntegerField(null=True)  # the incident's activity that made it, for events made by hand

    class Meta:
        indexes: ClassVar = [models.Index(fields=["alert", "occurred_at"], name="alerts_event_log")]

    def __str__(self) -> str:
        return f"{self.get_status_display()} at {self.occurred_at}"


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


class Mapping(models.Model):
    """One version of how an App Key's payloads become alerts: the configuration object of BigPanda's Open Integration Manager (bigpanda.md §8).

    Versions are only added; the one that counts is current, and none is where the payloads are read as the tool's own.
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


class Health(models.Model):
    """How an integration does, beside its hourly counts: sampled every few seconds (alerts.counting), never for each event."""

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


class KeptRequests(models.Model):
    """Requests of a few seconds as they came in, without their credentials, packed together (alerts.kept_requests)."""

    since = models.DateTimeField()
    until = models.DateTimeField(db_index=True)
    size = models.PositiveIntegerField()  # bytes, as packed
    packed = models.BinaryField()

    class Meta:
        verbose_name_plural = "kept requests"

    def __str__(self) -> str:
        return f"{self.since} to {self.until}"


class IdempotentReply(models.Model):
    """The reply to the first request under an idempotency key."""

    key = models.UUIDField(unique=True)  # stands for the org token and the key as sent
    request = models.UUIDField()  # stands for the payload
    status = models.PositiveSmallIntegerField()
    body: models.JSONField[dict[str, object] | None, dict[str, object] | None] = models.JSONField(null=True)
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name_plural = "idempotent replies"

    def __str__(self) -> str:
        return f"{self.status} at {self.created_at}"
