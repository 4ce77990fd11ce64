"""The feed's folders as questions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db.models import QuerySet

if TYPE_CHECKING:
    from incidents.models import Incident  # noqa: F401 - named as text below


class IncidentQuerySet(QuerySet["Incident"]):
    def active(self) -> Self:
        return self.filter(resolved_at=None)

    def unhandled(self) -> Self:
        """Active, and nobody's yet (bigpanda.md §4.1)."""
        return self.active().filter(assignee=None)

    def resolved(self) -> Self:
        return self.filter(resolved_at__isnull=False)

    def in_feed_order(self) -> Self:
        """Worst first, then the newest change."""
        return self.order_by("-status", "-changed_at", "-pk")

    def latest_resolved_first(self) -> Self:
        return self.order_by("-resolved_at", "-pk")
