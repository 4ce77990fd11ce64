"""Alerts, and the log of events from which an alert is computed."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import F, Q

from alerts.events import Status, Tags, shown
from alerts.models.keys import time_ordered_key


class AlertQuerySet(models.QuerySet["Alert"]):
    def visible_to(self, reader: Any) -> Self:
        """Return the alerts that a person, an org token or a wallboard may see. Their incidents decide (incidents.models.access)."""
        incidents: Any = self.model._meta.get_field("incident").related_model
        return incidents.objects.alerts_visible_to(reader, self)  # type: ignore[no-any-return]

    def all_visible_to(self, reader: Any) -> bool:
        """Return whether a reader may see every alert, and so the requests of senders as they came."""
        incidents: Any = self.model._meta.get_field("incident").related_model
        return bool(incidents.objects.all_visible_to(reader))


class Alert(models.Model):
    """A lifecycle of one identity: from its first event until `ok`, including reopenings within the reopen window.

    Status, tags and times are the projection of its events (`alerts.ingest.projection`). `revision` counts stored
    events and manual changes. `correlated_revision` is the last revision that correlation has processed.
    """

    id = models.BigIntegerField(primary_key=True, default=time_ordered_key, editable=False)
    # A constraint in the database would lock the row of the App Key for each alert. App Keys are deactivated, not
    # deleted.
    app_key = models.ForeignKey(
        "appkeys.AppKey", models.PROTECT, related_name="alerts", db_index=False, db_constraint=False
    )
    identity = models.UUIDField()  # App Key and identifier
    identifier = models.TextField()
    life = models.PositiveIntegerField(default=1)  # number of this lifecycle among those of its identity
    is_current = models.BooleanField(default=True)  # whether this is the newest lifecycle of its identity

    status = models.SmallIntegerField(choices=Status)
    severity = models.SmallIntegerField(choices=Status)  # the most severe status so far; OK if never active
    tags: models.JSONField[Tags, Tags] = models.JSONField(default=dict)
    primary_property = models.TextField()
    secondary_property = models.TextField(default="")
    # Repairs of its events.
    notes: models.JSONField[list[str], list[str]] = models.JSONField(default=list)
    started_at = models.DateTimeField()  # time of the first active event
    changed_at = models.DateTimeField()  # time of the last change of status
    ended_at = models.DateTimeField(null=True)  # time of the last change to OK; null while active
    last_event_at = models.DateTimeField()  # time of the newest event, which decides status and tags
    last_content = models.UUIDField(null=True)  # of the newest event; null for a manual change
    # The latest times of changes of status, in microseconds since 1970 (alerts.ingest.flapping).
    status_changes: models.JSONField[list[int], list[int]] = models.JSONField(default=list)

    revision = models.PositiveIntegerField(default=1)
    correlated_revision = models.PositiveIntegerField(default=0)
    incident = models.ForeignKey("incidents.Incident", models.PROTECT, null=True, related_name="alerts", db_index=False)
    # The status under which its incident counts the alert.
    counted_status = models.SmallIntegerField(choices=Status, null=True)
    # The plan that puts the alert in maintenance, from an update while the plan runs until the next active update after
    # the plan (incidents.correlation.maintenance).
    maintenance_plan = models.ForeignKey(
        "incidents.MaintenancePlan", models.SET_NULL, null=True, related_name="alerts", db_index=False
    )
    # Its tags in the form of bpql.search_text. Correlation writes the text, because ingest must not wait for it.
    search_text = models.TextField(default="", db_default="")
    # The reasons for its incident, as data (incidents.explain.considered).
    decision: models.JSONField[dict[str, object] | None, dict[str, object] | None] = models.JSONField(null=True)

    objects = AlertQuerySet.as_manager()

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
    """A line of the log from which an alert is computed. Lines are only added.

    Most lines are sent events. Manual resolves and their undo are in the same log, so that the state of an alert at any
    moment, and the reason for it, can be computed.
    """

    class Kind(models.IntegerChoices):
        SENT = 0, "sent"
        RESOLVE = 1, "resolved by hand"
        UNDO = 2, "resolve undone"

    id = models.BigIntegerField(primary_key=True, default=time_ordered_key, editable=False)
    # Without a constraint in the database: a transaction writes the log together with its alert, and the log is deleted
    # by time.
    alert = models.ForeignKey(Alert, models.CASCADE, related_name="events", db_constraint=False, db_index=False)
    kind = models.SmallIntegerField(choices=Kind, default=Kind.SENT)
    status = models.SmallIntegerField(choices=Status)
    tags: models.JSONField[Tags, Tags] = models.JSONField(default=dict)
    content = models.UUIDField(null=True)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()
    revision = models.PositiveIntegerField(default=1)  # of its alert, after this line
    undoes = models.BigIntegerField(null=True)  # key of the manual resolve that an UNDO takes back
    activity = models.BigIntegerField(null=True)  # the incident's activity, for a manual change

    class Meta:
        indexes: ClassVar = [models.Index(fields=["alert", "occurred_at"], name="alerts_event_log")]

    def __str__(self) -> str:
        return f"{self.get_status_display()} at {self.occurred_at}"
