"""What the feed shows: folders with their counts, a page of incidents, and why it is empty where it is."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import models
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from alerts.events import Status
from alerts.models import Event
from appkeys.models import AppKey
from incidents.models import Activity, Environment, Incident, Maintenance, Membership
from incidents.models.incident import IncidentQuerySet

ROWS = 50
COUNT_LIMIT = 1000  # counting every incident ever resolved would cost more than the feed


class Folder(models.TextChoices):
    ACTIVE = "active", "Active"
    UNHANDLED = "unhandled", "Unhandled"
    SNOOZED = "snoozed", "Snoozed"
    SHARED = "shared", "Shared"
    MAINTENANCE = "maintenance", "Maintenance"
    RESOLVED = "resolved", "Resolved"

    def of(self, incidents: IncidentQuerySet) -> IncidentQuerySet:
        return {
            Folder.ACTIVE: incidents.active,
            Folder.UNHANDLED: incidents.unhandled,
            Folder.SNOOZED: incidents.snoozed,
            Folder.SHARED: incidents.shared,
            Folder.MAINTENANCE: incidents.in_maintenance,
            Folder.RESOLVED: incidents.resolved,
        }[self]()


Tally = dict[Folder, Counter[Status]]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many open incidents are in each folder with which status, of all and of each environment: one scan, however many those are."""

    everything: Tally
    environments: dict[int, Tally]
    resolved: int = 0  # of the view that was asked for, COUNT_LIMIT at most

    @classmethod
    def now(cls, visible: IncidentQuerySet, environment: Environment | None = None) -> Counts:
        return cls.of_open(visible).beside(resolved_count(visible, environment))

    @classmethod
    def of_open(cls, visible: IncidentQuerySet) -> Counts:
        is_snoozed, is_in_maintenance = Q(snoozed_until__gt=timezone.now()), Q(maintenance=Maintenance.ACTIVE)
        is_active = ~is_snoozed & ~is_in_maintenance
        in_folder = {
            Folder.ACTIVE: is_active,
            Folder.UNHANDLED: is_active & Q(assignee=None, shared_count=0),
            Folder.SNOOZED: is_snoozed,
            Folder.SHARED: Q(shared_count__gt=0),
            Folder.MAINTENANCE: is_in_maintenance,
        }
        rows = visible.open().order_by().values_list("membership", "status")
        tallied = rows.annotate(**{folder.value: Count("status", filter=holds) for folder, holds in in_folder.items()})
        homes = {each.pk: each.environments for each in Membership.objects.all()}
        everything = _nothing()
        environments: dict[int, Tally] = defaultdict(_nothing)
        for membership, status, *counts in tallied:
            for tally in (everything, *(environments[pk] for pk in homes.get(membership, ()))):
                for folder, count in zip(in_folder, counts, strict=True):
                    if count:
                        tally[folder][Status(status)] += count
        return cls(everything, dict(environments))

    def beside(self, resolved: int) -> Counts:
        return replace(self, resolved=resolved)

    def tally(self, environment: Environment | None) -> Tally:
        if environment is None or environment.holds_everything:
            return self.everything
        return self.environments.get(environment.pk) or _nothing()

    def by_status(self, folder: Folder, environment: Environment | None = None) -> Counter[Status]:
        """Of the folder's incidents; unknown, and so empty, for resolved ones."""
        return self.tally(environment).get(folder, Counter())

    def of(self, folder: Folder, environment: Environment | None = None) -> int:
        return self.resolved if folder is Folder.RESOLVED else sum(self.by_status(folder, environment).values())

    def shown(self, folder: Folder, environment: Environment | None = None) -> str:
        count = self.of(folder, environment)
        return f"{COUNT_LIMIT - 1:,}+" if folder is Folder.RESOLVED and count >= COUNT_LIMIT else f"{count:,}"

    def worst(self, environment: Environment | None = None) -> Status:
        """The most severe status that is active; OK when none is."""
        return max(self.by_status(Folder.ACTIVE, environment), default=Status.OK)


def resolved_count(visible: IncidentQuerySet, environment: Environment | None) -> int:
    """Of everything or of one environment; COUNT_LIMIT at most."""
    here = visible.in_environment(environment) if environment else visible
    # In an order that has an index: in none, PostgreSQL may read every open incident before it meets those.
    return here.resolved().latest_resolved_first()[:COUNT_LIMIT].count()


def _nothing() -> Tally:
    return {folder: Counter() for folder in Folder if folder is not Folder.RESOLVED}


class Emptiness(models.TextChoices):
    """Why a feed shows nothing (docs/how-it-works.md §11.2). Silence is never mistaken for breakage."""

    FIRST_RUN = "first_run"  # no App Key yet
    NOTHING_RECEIVED = "nothing_received"  # a key, but never an event
    NO_MATCH = "no_match"  # the filter hides what is there
    ALL_CLEAR = "all_clear"  # nothing is open
    ALL_HANDLED = "all_handled"  # something is open, and each is somebody's
    NONE_SNOOZED = "none_snoozed"
    NONE_SHARED = "none_shared"
    NONE_IN_MAINTENANCE = "none_in_maintenance"
    NONE_RESOLVED = "none_resolved"


def emptiness(
    folder: Folder,
    counts: Counts,
    environment: Environment | None,
    *,
    last_event_at: datetime | None,
    is_filtered: bool,
) -> Emptiness:
    if is_filtered and counts.of(folder, environment):
        return Emptiness.NO_MATCH
    if last_event_at is None and not sum(map(counts.of, Folder)):
        return Emptiness.NOTHING_RECEIVED if AppKey.objects.present().exists() else Emptiness.FIRST_RUN
    if folder is Folder.RESOLVED:
        return Emptiness.NONE_RESOLVED
    if folder is Folder.SNOOZED:
        return Emptiness.NONE_SNOOZED
    if folder is Folder.SHARED:
        return Emptiness.NONE_SHARED
    if folder is Folder.MAINTENANCE:
        return Emptiness.NONE_IN_MAINTENANCE
    return Emptiness.ALL_HANDLED if counts.of(Folder.ACTIVE, environment) else Emptiness.ALL_CLEAR


def last_event_at() -> datetime | None:
    """When anything was last received; keys of events grow with time, so the last key is the last event."""
    return Event.objects.filter(kind=Event.Kind.SENT).order_by("-pk").values_list("received_at", flat=True).first()


def last_incident(incidents: IncidentQuerySet) -> Incident | None:
    return incidents.resolved().latest_resolved_first().first()


def newest_app_key() -> AppKey | None:
    return AppKey.objects.present().order_by("-created_at").first()


def undoable(incident: Incident) -> Activity | None:
    """The manual resolve that closed the incident, where that is still how it stands."""
    if incident.resolved_by_id is None:
        return None
    manual = incident.activities.filter(kind=Activity.Kind.RESOLVED_BY_HAND, undone_at=None)
    return manual.select_related("by").order_by("-at", "-pk").first()


def rows(incidents: QuerySet[Incident]) -> QuerySet[Incident]:
    """Incidents with what a row of the feed shows beside their own columns."""
    return incidents.select_related("assignee", "resolved_by", "acknowledged_by", "snoozed_by")
