"""The feed's folders as questions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db.models import QuerySet
from django.utils import timezone

if TYPE_CHECKING:
    from incidents.models import Incident  # noqa: F401 - named as text below


class IncidentQuerySet(QuerySet["Incident"]):
    def open(self) -> Self:
        return self.filter(resolved_at=None)

    def active(self) -> Self:
        """Open, and not put aside for a while. A snooze that is over is over, also before anybody has told so."""
        return self.open().exclude(snoozed_until__gt=timezone.now())

    def unhandled(self) -> Self:
        """Active, and nobody's yet (bigpanda.md §4.1)."""
        return self.active().filter(assignee=None)

    def snoozed(self) -> Self:
        return self.open().filter(snoozed_until__gt=timezone.now())

    def resolved(self) -> Self:
        """Those that are over; what was merged away lives on in another incident."""
        return self.filter(resolved_at__isnull=False, merged_into=None)

    def in_feed_order(self) -> Self:
        """Worst first, then the newest change."""
        return self.order_by("-status", "-changed_at", "-pk")

    def latest_resolved_first(self) -> Self:
        return self.order_by("-resolved_at", "-pk")
