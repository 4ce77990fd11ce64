"""Alerts, and the log of events that an alert is computed from."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from alerts.events import Status, Tags, shown
from alerts.models.keys import time_ordered_key


class Alert(models.Model):
    """One life of one identity: from its first event until `ok`, and on when it reopens within the reopen window.

    Status, tags and times are the fold of its events in order of their time (alerts.ingest.projection); `revision` counts the stored events and
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
    )  # when its status changed, the latest times alone, in microseconds since 1970 (alerts.ingest.flapping)

    revision = models.PositiveIntegerField(default=1)
    correlated_revision = models.PositiveIntegerField(default=0)
    incident = models.ForeignKey("incidents.Incident", models.PROTECT, null=True, related_name="alerts", db_index=False)
    counted_status = models.SmallIntegerField(
        choices=Status, null=True
    )  # the status that its incident's counts hold of it
    # By which plan it is in maintenance: from an update while that runs, until the next active one after it (incidents.correlation.maintenance).
    maintenance_plan = models.ForeignKey(
        "incidents.MaintenancePlan", models.SET_NULL, null=True, related_name="alerts", db_index=False
    )
    search_text = models.TextField(
        default="", db_default=""
    )  # its tags as queries look at them (bpql.search_text); written by correlation, since ingest must not wait for it
    # Why it is in its incident, as data (incidents.explain.considered).
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
