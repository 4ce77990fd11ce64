"""The feed's folders and environments as questions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db.models import QuerySet
from django.utils import timezone

from incidents.models.environment import Environment, Membership
from incidents.models.maintenance import Maintenance
from people.models import User

if TYPE_CHECKING:
    from incidents.models import Incident  # noqa: F401 - named as text below


class IncidentQuerySet(QuerySet["Incident"]):
    def in_environment(self, environment: Environment) -> Self:
        """Those that its query finds, as kept with them (incidents.environments)."""
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
        """Active, nobody's yet, and nobody was told of it (bigpanda.md §4.1)."""
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
