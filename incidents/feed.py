"""What the feed shows: folders with their counts, a page of incidents, and why it is empty where it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import models
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from alerts.events import Status
from alerts.models import Event
from appkeys.models import AppKey
from incidents.models import Activity, Incident
from incidents.querysets import IncidentQuerySet

ROWS = 50
COUNT_LIMIT = 1000  # counting every incident ever resolved would cost more than the feed


class Folder(models.TextChoices):
    ACTIVE = "active", "Active"
    UNHANDLED = "unhandled", "Unhandled"
    SNOOZED = "snoozed", "Snoozed"
    RESOLVED = "resolved", "Resolved"

    def incidents(self) -> IncidentQuerySet:
        """The folder's incidents in its order."""
        incidents: IncidentQuerySet = Incident.objects.all()
        if self is Folder.RESOLVED:
            return incidents.resolved().latest_resolved_first()
        in_folder = {
            Folder.ACTIVE: incidents.active,
            Folder.UNHANDLED: incidents.unhandled,
            Folder.SNOOZED: incidents.snoozed,
        }[self]
        return in_folder().in_feed_order()


@dataclass(frozen=True, slots=True)
class Counts:
    """How many incidents are in each folder, and how many of the open ones have which status."""

    active: dict[Status, int]
    unhandled: dict[Status, int]
    snoozed: dict[Status, int]
    resolved: int

    @classmethod
    def now(cls) -> Counts:
        open_ones = Incident.objects.open().order_by().values("status")
        is_snoozed = Q(snoozed_until__gt=timezone.now())
        rows = list(
            open_ones.annotate(
                active=Count("pk", filter=~is_snoozed),
                unhandled=Count("pk", filter=~is_snoozed & Q(assignee=None)),
                snoozed=Count("pk", filter=is_snoozed),
            )
        )
        of = {
            folder: {Status(row["status"]): row[folder] for row in rows if row[folder]}
            for folder in ("active", "unhandled", "snoozed")
        }
        return cls(**of, resolved=Incident.objects.resolved().order_by()[:COUNT_LIMIT].count())

    @property
    def worst(self) -> Status:
        """The most severe status that is open; OK when none is."""
        return max(self.active, default=Status.OK)

    @property
    def of_worst(self) -> int:
        return self.active.get(self.worst, 0)

    def of(self, folder: Folder) -> int:
        return {
            Folder.ACTIVE: sum(self.active.values()),
            Folder.UNHANDLED: sum(self.unhandled.values()),
            Folder.SNOOZED: sum(self.snoozed.values()),
            Folder.RESOLVED: self.resolved,
        }[folder]

    def shown(self, folder: Folder) -> str:
        count = self.of(folder)
        return f"{COUNT_LIMIT - 1:,}+" if folder is Folder.RESOLVED and count >= COUNT_LIMIT else f"{count:,}"

    def by_status(self, folder: Folder) -> dict[Status, int]:
        """Of the folder's incidents; unknown, and so empty, for resolved ones."""
        return {
            Folder.ACTIVE: self.active,
            Folder.UNHANDLED: self.unhandled,
            Folder.SNOOZED: self.snoozed,
        }.get(folder, {})


class Emptiness(models.TextChoices):
    """Why a feed shows nothing (console.md §7). Silence is never mistaken for breakage."""

    FIRST_RUN = "first_run"  # no App Key yet
    NOTHING_RECEIVED = "nothing_received"  # a key, but never an event
    NO_MATCH = "no_match"  # the filter hides what is there
    ALL_CLEAR = "all_clear"  # nothing is open
    ALL_HANDLED = "all_handled"  # something is open, and each is somebody's
    NONE_SNOOZED = "none_snoozed"
    NONE_RESOLVED = "none_resolved"


def emptiness(folder: Folder, counts: Counts, *, last_event_at: datetime | None, is_filtered: bool) -> Emptiness:
    if is_filtered and counts.of(folder):
        return Emptiness.NO_MATCH
    if last_event_at is None and not sum(map(counts.of, Folder)):
        return Emptiness.NOTHING_RECEIVED if AppKey.objects.exists() else Emptiness.FIRST_RUN
    if folder is Folder.RESOLVED:
        return Emptiness.NONE_RESOLVED
    if folder is Folder.SNOOZED:
        return Emptiness.NONE_SNOOZED
    return Emptiness.ALL_HANDLED if counts.of(Folder.ACTIVE) else Emptiness.ALL_CLEAR


def last_event_at() -> datetime | None:
    """When anything was last received; keys of events grow with time, so the last key is the last event."""
    return Event.objects.filter(kind=Event.Kind.SENT).order_by("-pk").values_list("received_at", flat=True).first()


def last_incident() -> Incident | None:
    return Incident.objects.resolved().latest_resolved_first().first()


def newest_app_key() -> AppKey | None:
    return AppKey.objects.order_by("-created_at").first()


def undoable(incident: Incident) -> Activity | None:
    """The manual resolve that closed the incident, where that is still how it stands."""
    if incident.resolved_by_id is None:
        return None
    manual = incident.activities.filter(kind=Activity.Kind.RESOLVED_BY_HAND, undone_at=None)
    return manual.select_related("by").order_by("-at", "-pk").first()


def rows(incidents: QuerySet[Incident]) -> QuerySet[Incident]:
    """Incidents with what a row of the feed shows beside their own columns."""
    return incidents.select_related("assignee", "resolved_by")
