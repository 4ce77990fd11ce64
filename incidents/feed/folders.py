"""The folders of the feed, with their counts for all incidents and for each environment."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.db import models
from django.db.models import Count, Q
from django.utils import timezone

from alerts.events import Status
from incidents.models import Environment, Maintenance, Membership
from incidents.models.incident import IncidentQuerySet

COUNT_LIMIT = 1000  # counting every incident ever resolved would cost more than the rest of the feed


class Folder(models.TextChoices):
    """A fixed selection of the feed (docs/wire-contract.md §5.1)."""

    ACTIVE = "active", "Active"
    UNHANDLED = "unhandled", "Unhandled"
    SNOOZED = "snoozed", "Snoozed"
    SHARED = "shared", "Shared"
    MAINTENANCE = "maintenance", "Maintenance"
    RESOLVED = "resolved", "Resolved"

    def of(self, incidents: IncidentQuerySet) -> IncidentQuerySet:
        """Return the incidents in the folder."""
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
    """Numbers of open incidents by folder and status, of all environments and of each environment, read in one scan."""

    everything: Tally
    environments: dict[int, Tally]
    resolved: int = 0  # of the environment that is open, COUNT_LIMIT at most

    @classmethod
    def now(cls, visible: IncidentQuerySet, environment: Environment | None = None) -> Counts:
        """Count the visible incidents, with the resolved incidents of one environment or of everything."""
        return cls.of_open(visible).with_resolved(resolved_count(visible, environment))

    @classmethod
    def of_open(cls, visible: IncidentQuerySet) -> Counts:
        """Count the visible incidents that are open."""
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
        placed_in = {each.pk: each.environments for each in Membership.objects.all()}
        everything = _nothing()
        environments: dict[int, Tally] = defaultdict(_nothing)
        for membership, status, *counts in tallied:
            for tally in (everything, *(environments[pk] for pk in placed_in.get(membership, ()))):
                for folder, count in zip(in_folder, counts, strict=True):
                    if count:
                        tally[folder][Status(status)] += count
        return cls(everything, dict(environments))

    def with_resolved(self, resolved: int) -> Counts:
        return replace(self, resolved=resolved)

    def tally(self, environment: Environment | None) -> Tally:
        if environment is None or environment.holds_everything:
            return self.everything
        return self.environments.get(environment.pk) or _nothing()

    def by_status(self, folder: Folder, environment: Environment | None = None) -> Counter[Status]:
        """Return the counts of a folder by status, without counts for resolved incidents."""
        return self.tally(environment).get(folder, Counter())

    def of(self, folder: Folder, environment: Environment | None = None) -> int:
        return self.resolved if folder is Folder.RESOLVED else sum(self.by_status(folder, environment).values())

    def shown(self, folder: Folder, environment: Environment | None = None) -> str:
        """Return the count as people read it: "1,204", or "999+" from the limit on."""
        count = self.of(folder, environment)
        return f"{COUNT_LIMIT - 1:,}+" if folder is Folder.RESOLVED and count >= COUNT_LIMIT else f"{count:,}"

    def in_sidebar(self, folder: Folder, environment: Environment | None, here: Environment | None) -> str:
        """Return the count as the sidebar shows it while the environment `here` is open.

        Resolved incidents are counted of the environment `here` alone. For other environments return empty text.
        """
        return self.shown(folder, environment) if folder is not Folder.RESOLVED or environment == here else ""

    def by_key(self, environments: Iterable[Environment], here: Environment | None) -> dict[str, str]:
        """Return all counts of the sidebar, by the keys of the folders."""
        return {
            folder_key(folder, environment): self.in_sidebar(folder, environment, here)
            for environment in (None, *environments)
            for folder in Folder
        }

    def worst(self, environment: Environment | None = None) -> Status:
        """Return the most severe status in the folder Active, or OK for an empty folder."""
        return max(self.by_status(Folder.ACTIVE, environment), default=Status.OK)


def folder_key(folder: Folder, environment: Environment | None) -> str:
    """Return the key that names the count of a folder among all counts of the sidebar."""
    return f"{environment.pk if environment else 0}-{folder}"


def resolved_count(visible: IncidentQuerySet, environment: Environment | None) -> int:
    """Count the resolved incidents of everything or of one environment, up to COUNT_LIMIT."""
    here = visible.in_environment(environment) if environment else visible
    # The order has an index. Without an order PostgreSQL may read every open incident before the resolved ones.
    return here.resolved().latest_resolved_first()[:COUNT_LIMIT].count()


def _nothing() -> Tally:
    return {folder: Counter() for folder in Folder if folder is not Folder.RESOLVED}
