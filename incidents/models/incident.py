"""Incidents: groups of alerts that belong together, with the columns that the feed shows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Case, Q, QuerySet, When
from django.db.models.functions import Cast
from django.db.models.lookups import Contains
from django.urls import reverse
from django.utils import timezone

from alerts.events import Status, Tags
from alerts.models.alert import AlertQuerySet
from appkeys.models import OrgToken
from incidents.models import access
from incidents.models.access import Reader
from incidents.models.environment import Environment, Membership
from incidents.models.maintenance import Maintenance
from people.models import User


def no_counts() -> list[int]:
    return [0] * len(Status)


def no_names() -> list[list[str]]:
    return [[], []]


class Priority(models.IntegerChoices):
    """The importance of an incident to the business, which people set. P1 is the most important."""

    P1 = 1, "P1"
    P2 = 2, "P2"
    P3 = 3, "P3"
    P4 = 4, "P4"
    P5 = 5, "P5"


def shared_with(user: User) -> Q:
    """Return the condition that an incident is shared with a user."""
    # SQLite cannot search a JSON list, so both databases search its text. A quotation mark inside a JSON string follows
    # a backslash, so the text finds the key of a pair and no part of a name.
    pairs = Cast("shared_with", models.TextField())
    return Q(shared_count__gt=0) & Q(Contains(pairs, f'["{user.pk}",'))


class IncidentQuerySet(QuerySet["Incident"]):
    def in_environment(self, environment: Environment) -> Self:
        """Return the incidents in an environment, as stored by `incidents.environments.placement`."""
        if environment.holds_everything:
            return self
        return self.filter(membership__in=Membership.of(environment))

    def visible_to(self, reader: Reader) -> Self:
        """Return the incidents that a person, an org token or a wallboard may see, by the rule of `access`."""
        if not access.may_use_incidents(reader):
            return self.none()
        closed = access.closed_to(reader)
        visible = self.exclude(membership__in=closed) if closed else self
        if isinstance(reader, OrgToken) and reader.is_limited:
            visible = visible.exclude(access.of_other_senders(reader))
        return visible

    def changeable_by(self, user: User) -> Self:
        """Return the visible incidents that a user may act on."""
        if not user.may_act:
            return self.none()
        closed = access.closed_to(user, access.To.ACT)
        visible = self.visible_to(user)
        return visible.exclude(membership__in=closed) if closed else visible

    def alerts_visible_to(self, reader: Reader, alerts: AlertQuerySet) -> AlertQuerySet:
        """Return those of some alerts that a reader may see. `Alert.objects.visible_to` is the short way to ask."""
        if not access.may_use_incidents(reader):
            return alerts.none()
        closed = access.closed_to(reader)
        if closed is None:
            return alerts
        visible = alerts.exclude(incident__membership__in=closed) if closed else alerts
        return visible.filter(incident__isnull=False)

    def seen_among(self, pks: Iterable[int], reader: Reader) -> frozenset[int]:
        """Return those of some incidents that a reader may see."""
        wanted = set(pks)
        return frozenset(self.visible_to(reader).filter(pk__in=wanted).values_list("pk", flat=True) if wanted else ())

    def all_visible_to(self, reader: Reader) -> bool:
        """Return whether nothing is closed to a reader."""
        return access.may_use_incidents(reader) and access.sees_everything(reader)

    def open(self) -> Self:
        return self.filter(resolved_at=None)

    def active(self) -> Self:
        """Return the incidents that are open, not snoozed, and not only in maintenance (docs/wire-contract.md §5.1).

        A snooze ends at its time, also before the task that ends snoozes has run.
        """
        return self.open().exclude(snoozed_until__gt=timezone.now()).exclude(maintenance=Maintenance.ACTIVE)

    def unhandled(self) -> Self:
        """Return the active incidents without an owner that were not shared (docs/wire-contract.md §5.1)."""
        return self.active().filter(assignee=None, shared_count=0)

    def snoozed(self) -> Self:
        return self.open().filter(snoozed_until__gt=timezone.now())

    def shared(self) -> Self:
        """Return the open incidents that were shared."""
        return self.open().filter(shared_count__gt=0)

    def in_maintenance(self) -> Self:
        """Return the open incidents of which all active alerts are in maintenance."""
        return self.open().filter(maintenance=Maintenance.ACTIVE)

    def resolved(self) -> Self:
        """Return the resolved incidents, without those that were merged into another incident."""
        return self.filter(resolved_at__isnull=False, merged_into=None)

    def latest_resolved_first(self) -> Self:
        return self.order_by("-resolved_at", "-pk")


class Incident(models.Model):
    """A group of alerts that belong together. People work on incidents, not on single alerts.

    An incident is open until each of its alerts is `ok`, or a person resolves it. Counts, times and titles follow from
    the alerts (docs/how-it-works.md §4.3), so that the feed reads one table. Actions of people change owner,
    acknowledgement, snooze, priority and shares.
    """

    # The most severe status of the alerts that are not in maintenance.
    status = models.SmallIntegerField(choices=Status, default=Status.UNKNOWN)
    severity = models.SmallIntegerField(choices=Status, default=Status.UNKNOWN)  # the most severe status ever
    title = models.TextField()
    subtitle = models.TextField(blank=True, default="")
    alerts_count = models.PositiveIntegerField(default=0)
    active_count = models.PositiveIntegerField(default=0)
    # The number of alerts for each Status, indexed by its value, and of those the number in maintenance.
    status_counts: models.JSONField[list[int], list[int]] = models.JSONField(default=no_counts)
    maintenance_counts: models.JSONField[list[int], list[int]] = models.JSONField(default=no_counts)
    maintenance = models.SmallIntegerField(choices=Maintenance, default=Maintenance.NONE)
    sources: models.JSONField[list[str], list[str]] = models.JSONField(default=list)  # names of integrations
    # The first distinct primary values, and the first distinct secondary values.
    names: models.JSONField[list[list[str]], list[list[str]]] = models.JSONField(default=no_names)
    # The tags that all alerts have with the same value.
    shared_tags: models.JSONField[Tags, Tags] = models.JSONField(default=dict)
    # The alert that opened the incident. Windows count from its start.
    first_alert = models.BigIntegerField(null=True)
    # An incident flaps while one of its alerts flaps (docs/wire-contract.md §3.7).
    flapping = models.BooleanField(default=False)
    flapping_until = models.DateTimeField(null=True)  # the end of flapping, unless a status changes again
    flapping_changes = models.PositiveIntegerField(default=0)  # status changes of the alert that flaps most
    started_at = models.DateTimeField()  # of the earliest alert
    changed_at = models.DateTimeField()  # last change of the status or of the alerts
    resolved_at = models.DateTimeField(null=True)
    # Null if the incident was resolved by its alerts.
    resolved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    assignee = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    assigned_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    assigned_at = models.DateTimeField(null=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    acknowledged_at = models.DateTimeField(null=True)
    snoozed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    snoozed_until = models.DateTimeField(null=True)
    # Whether a new alert, a worse status or a reopening ends the snooze.
    wakes_on_update = models.BooleanField(default=False)
    priority = models.SmallIntegerField(choices=Priority, null=True)
    # A list of [primary key of a user or e-mail address, name], in the order of sharing.
    shared_with: models.JSONField[list[list[str]], list[list[str]]] = models.JSONField(default=list)
    shared_count = models.PositiveIntegerField(default=0)  # number of entries in shared_with
    comments_count = models.PositiveIntegerField(default=0)
    # The full incident that this one follows.
    follows = models.ForeignKey("self", models.SET_NULL, null=True, related_name="followed_by")
    # The incident that has the alerts after a merge. The URL of the merged incident redirects there.
    merged_into = models.ForeignKey("self", models.SET_NULL, null=True, related_name="merged", db_index=False)

    # 1 while the incident has no owner. The feed shows incidents without an owner first.
    is_nobodys = models.GeneratedField(
        expression=Case(When(assignee=None, then=1), default=0),
        output_field=models.SmallIntegerField(),
        db_persist=True,
    )
    # The environments that the incident is in. Null until the incident was placed in an environment.
    membership = models.ForeignKey(
        "incidents.Membership", models.PROTECT, null=True, related_name="incidents", db_index=False
    )

    objects = IncidentQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["membership", "-resolved_at", "-id"], name="incidents_by_membership"),
            # The sort orders of the feed. The environments come last, so that a page of one environment is found
            # without reading the rows of other environments.
            models.Index(
                fields=["-is_nobodys", "-status", "-changed_at", "-id", "membership"],
                condition=Q(resolved_at=None),
                name="incidents_open_by_urgency",
            ),
            *(
                models.Index(
                    fields=[*fields, "-id", "membership"],
                    condition=Q(resolved_at=None),
                    name=f"incidents_open_by_{name}",
                )
                for name, fields in (
                    ("change", ["-changed_at"]),
                    ("status", ["-status", "-changed_at"]),
                    ("start", ["-started_at"]),
                    ("alerts", ["-alerts_count", "-changed_at"]),
                )
            ),
            # All columns for the counts of the folders, so that no row of the table is read.
            models.Index(
                fields=[
                    *("membership", "status", "assignee", "snoozed_until", "maintenance", "shared_count"),
                    *("active_count", "alerts_count", "id"),
                ],
                condition=Q(resolved_at=None),
                name="incidents_open_counts",
            ),
            models.Index(
                fields=["-resolved_at", "-id"], condition=Q(resolved_at__isnull=False), name="incidents_resolved_feed"
            ),
            models.Index(fields=["snoozed_until"], condition=Q(snoozed_until__isnull=False), name="incidents_snoozed"),
            models.Index(fields=["id"], condition=Q(shared_count__gt=0), name="incidents_shared"),
            models.Index(fields=["merged_into"], condition=Q(merged_into__isnull=False), name="incidents_merged_away"),
            models.Index(fields=["flapping_until"], condition=Q(flapping=True), name="incidents_flapping"),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("incidents:detail", args=[self.pk])

    def may_be_seen_by(self, reader: Reader) -> bool:
        """Return whether a reader may see the incident, or for one that was merged away the incident that has its alerts."""
        last = self
        while last.merged_into is not None:
            last = last.merged_into
        return Incident.objects.visible_to(reader).filter(pk=last.pk).exists()

    @property
    def correlation_matchers_log(self) -> list[list[dict[str, Any]]]:
        """Return the sets of matchers that all alerts matched (docs/wire-contract.md §4.2).

        Each alert that narrowed the matchers begins a new set. The present set is the last one. The property reads
        `matchers` and their patterns: prefetch both for a list of incidents.
        """
        matchers = sorted(self.matchers.all(), key=lambda matcher: matcher.pk)
        steps = sorted({0, *(matcher.narrowed_at for matcher in matchers if matcher.narrowed_at)})
        return [
            [each.as_data() for each in matchers if each.narrowed_at is None or each.narrowed_at > step]
            for step in steps
        ]

    @property
    def is_open(self) -> bool:
        return self.resolved_at is None

    @property
    def is_in_maintenance(self) -> bool:
        """Return whether the incident is open and all of its active alerts are in maintenance."""
        return self.is_open and self.maintenance == Maintenance.ACTIVE

    @property
    def is_snoozed(self) -> bool:
        """Return whether the incident is snoozed now, also before the task that ends snoozes has run."""
        return self.is_open and self.snoozed_until is not None and self.snoozed_until > timezone.now()
