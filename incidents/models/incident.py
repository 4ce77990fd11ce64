"""Incidents: alerts that belong together, with what the feed shows of them."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Case, Q, QuerySet, When
from django.urls import reverse
from django.utils import timezone

from alerts.events import Status, Tags
from incidents.models.environment import Environment, Membership
from incidents.models.maintenance import Maintenance
from people.models import User


def no_counts() -> list[int]:
    return [0] * len(Status)


def no_names() -> list[list[str]]:
    return [[], []]


class Priority(models.IntegerChoices):
    """How much an incident matters to the business, beside how bad its alerts are; P1 matters most."""

    P1 = 1, "P1"
    P2 = 2, "P2"
    P3 = 3, "P3"
    P4 = 4, "P4"
    P5 = 5, "P5"


class IncidentQuerySet(QuerySet["Incident"]):
    def in_environment(self, environment: Environment) -> Self:
        """Those that its query finds, as kept with them (incidents.environments.placement)."""
        if environment.holds_everything:
            return self
        return self.filter(membership__in=Membership.of(environment))

    def visible_to(self, user: User) -> Self:
        """Those that a person may see: all but those that environments keep for other roles."""
        closed = Membership.closed_to(user, keeping="seen_by")
        return self.exclude(membership__in=closed) if closed else self

    def changeable_by(self, user: User) -> Self:
        """Those of the visible that a person may act on."""
        if not user.may_act:
            return self.none()
        closed = Membership.closed_to(user, keeping="acted_by")
        visible = self.visible_to(user)
        return visible.exclude(membership__in=closed) if closed else visible

    def open(self) -> Self:
        return self.filter(resolved_at=None)

    def active(self) -> Self:
        """Open, not put aside for a while, and not only expected. A snooze that is over is over, also before anybody has told so."""
        return self.open().exclude(snoozed_until__gt=timezone.now()).exclude(maintenance=Maintenance.ACTIVE)

    def unhandled(self) -> Self:
        """Active, nobody's yet, and nobody was told of it (docs/wire-contract.md §5.1)."""
        return self.active().filter(assignee=None, shared_count=0)

    def snoozed(self) -> Self:
        return self.open().filter(snoozed_until__gt=timezone.now())

    def shared(self) -> Self:
        """Open, and somebody was told of them."""
        return self.open().filter(shared_count__gt=0)

    def in_maintenance(self) -> Self:
        """Open, but all that is active of them is in maintenance."""
        return self.open().filter(maintenance=Maintenance.ACTIVE)

    def resolved(self) -> Self:
        """Those that are over; what was merged away lives on in another incident."""
        return self.filter(resolved_at__isnull=False, merged_into=None)

    def latest_resolved_first(self) -> Self:
        return self.order_by("-resolved_at", "-pk")


class Incident(models.Model):
    """Alerts that belong together, open until each of them is `ok` or a person resolves it.

    Its counts, times and titles are rolled up from its alerts (incidents.correlation.rollup), so that the feed reads one table.
    """

    status = models.SmallIntegerField(
        choices=Status, default=Status.UNKNOWN
    )  # the most severe of its alerts, those in maintenance aside
    severity = models.SmallIntegerField(choices=Status, default=Status.UNKNOWN)  # the worst it ever was
    title = models.TextField()
    subtitle = models.TextField(blank=True, default="")
    alerts_count = models.PositiveIntegerField(default=0)
    active_count = models.PositiveIntegerField(default=0)
    status_counts: models.JSONField[list[int], list[int]] = models.JSONField(default=no_counts)  # alerts by Status
    maintenance_counts: models.JSONField[list[int], list[int]] = models.JSONField(
        default=no_counts
    )  # those of them that are in maintenance
    maintenance = models.SmallIntegerField(choices=Maintenance, default=Maintenance.NONE)
    sources: models.JSONField[list[str], list[str]] = models.JSONField(default=list)  # names of its integrations
    names: models.JSONField[list[list[str]], list[list[str]]] = models.JSONField(
        default=no_names
    )  # first distinct primary and secondary values
    shared_tags: models.JSONField[Tags, Tags] = models.JSONField(
        default=dict
    )  # tags that all its alerts have with one value
    first_alert = models.BigIntegerField(null=True)  # the alert that opened it, whose start windows count from
    flapping = models.BooleanField(default=False)  # while one of its alerts does (docs/wire-contract.md §3.7)
    flapping_until = models.DateTimeField(null=True)  # when that ends by itself, unless a status changes again
    flapping_changes = models.PositiveIntegerField(default=0)  # of status, of the alert that flaps most
    started_at = models.DateTimeField()  # of its earliest alert
    changed_at = models.DateTimeField()  # last change of its status, or of who is in it
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )  # null: by its alerts
    assignee = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    assigned_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    assigned_at = models.DateTimeField(null=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    acknowledged_at = models.DateTimeField(null=True)  # null: nobody has
    snoozed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    snoozed_until = models.DateTimeField(null=True)  # null: it is not
    wakes_on_update = models.BooleanField(default=False)  # a new alert, a worse status or a reopening ends the snooze
    priority = models.SmallIntegerField(choices=Priority, null=True)
    shared_with: models.JSONField[list[list[str]], list[list[str]]] = models.JSONField(
        default=list
    )  # [key of a person or e-mail address, name], in the order they were told
    shared_count = models.PositiveIntegerField(default=0)  # of those
    comments_count = models.PositiveIntegerField(default=0)
    follows = models.ForeignKey(
        "self", models.SET_NULL, null=True, related_name="followed_by"
    )  # the full incident it takes over from
    merged_into = models.ForeignKey(
        "self", models.SET_NULL, null=True, related_name="merged", db_index=False
    )  # where its alerts are while it is merged away, and its URL leads

    # 1 while it has no owner: the feed shows what nobody has taken up first
    is_nobodys = models.GeneratedField(
        expression=Case(When(assignee=None, then=1), default=0),
        output_field=models.SmallIntegerField(),
        db_persist=True,
    )
    membership = models.ForeignKey(
        "incidents.Membership", models.PROTECT, null=True, related_name="incidents", db_index=False
    )  # the environments it is in; null: never placed in any

    objects = IncidentQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["membership", "-resolved_at", "-id"], name="incidents_by_membership"),
            # The orders of the feed. Behind them the environments, so that a page of one is found without reading the rows of others.
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
            # All that counting the folders looks at, and who has ended alerts, so that no row is read for it.
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

    @property
    def correlation_matchers_log(self) -> list[list[dict[str, Any]]]:
        """The patterns that all its alerts matched, one set after another as alerts narrowed them, the present one last (docs/wire-contract.md §4.2).

        Reads `matchers` and their patterns, which a list of incidents had better prefetch.
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
        """Whether all that is active of it is expected."""
        return self.is_open and self.maintenance == Maintenance.ACTIVE

    @property
    def is_snoozed(self) -> bool:
        """Until its time has come, also where nobody has told so yet."""
        return self.is_open and self.snoozed_until is not None and self.snoozed_until > timezone.now()
