"""The history of incidents."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from incidents.models import access
from incidents.models.access import Reader
from incidents.models.bulk import BulkAction
from incidents.models.incident import Incident


class ActivityManager(models.Manager["Activity"]):
    def get_queryset(self) -> models.QuerySet[Activity]:
        """Return activities without `before`, which can be as large as an incident and which only undo reads."""
        return super().get_queryset().defer("before")


class Activity(models.Model):
    """An entry in the history of an incident: what happened, when, and who did it (docs/wire-contract.md §5.3).

    An activity of an action can be undone. Its undo is an activity as well.
    """

    class Kind(StrEnum):
        """Kinds of activities that code refers to. The kind of an action can be any other text."""

        CREATED = "incident_created"
        ALERTS_JOINED = "incident_alerts_joined"
        REOPENED = "incident_reopen"
        RESOLVED_BY_ALERTS = "incident_resolved_by_alerts"
        RESOLVED_BY_HAND = "incident_resolved_ui_manually"
        ALERTS_RESOLVED = "incident_alerts_resolved"
        REOPENED_BY_HAND = "incident_reopened_by_hand"
        ACKNOWLEDGED = "incident_acknowledged"
        UNACKNOWLEDGED = "incident_unacknowledged"
        BEGAN_TO_FLAP = "incident_become_flapping"
        STOPPED_FLAPPING = "incident_stopped_flapping"
        ASSIGNED = "incident_assigned"
        UNASSIGNED = "incident_unassigned"
        SNOOZED = "incident_snoozed"
        UNSNOOZED = "incident_unsnoozed"
        COMMENTED = "incident_commented"
        COMMENT_EDITED = "incident_comment_edited"
        COMMENT_DELETED = "incident_comment_deleted"
        SHARED = "incident_shared"
        PRIORITISED = "incident_priority_changed"
        TAG_UPDATED = "incident_tag_updated"
        TAG_REMOVED = "incident_tag_removed"
        MERGED_INTO_THIS = "incident_merged_destination"
        MERGED_AWAY = "incident_merged_source"
        SPLIT_FROM_THIS = "incident_splitted_source"
        SPLIT_OFF = "incident_splitted_destination"
        MOVED_AWAY = "incident_alerts_moved_source"
        MOVED_HERE = "incident_alerts_moved_destination"
        UNDONE = "incident_action_undone"

    incident = models.ForeignKey(Incident, models.CASCADE, related_name="activities")
    # The column has no choices, so that a new action needs no migration.
    kind = models.CharField(max_length=40)
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    comment = models.TextField(blank=True, default="")  # Markdown
    edited_at = models.DateTimeField(null=True)  # of the comment
    # The facts of the activity's text, by kind, such as `alert`, `identifier`, `count`, `why`, `was` and `is`. An
    # activity of a script has `org_token`, the name of the org token.
    details: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    # What undo needs (docs/how-it-works.md §8.1). An action has `was` and `is`: the columns of the incident before and
    # after. A merge, split or move has `moved`, a list of [incident, alerts], and `changed_at` by incident. A merge
    # also has `matchers`, a list of [matcher, incident, brought_from].
    before: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    undone_at = models.DateTimeField(null=True)
    # Merges, splits and moves are recorded on every incident involved. The leading activity is undone with all its
    # parts.
    part_of = models.ForeignKey("self", models.CASCADE, null=True, related_name="parts", db_index=False)
    bulk = models.ForeignKey(BulkAction, models.CASCADE, null=True, related_name="activities", db_index=False)

    # The incidents among `other_incidents` that the reader may see. `readable` sets it; without it the texts name none.
    seen: frozenset[int] = frozenset()
    shows_bulk = False  # whether the reader may see the bulk action

    objects = ActivityManager()

    class Meta:
        ordering: ClassVar = ["-at", "-pk"]
        verbose_name_plural = "activities"
        indexes: ClassVar = [
            models.Index(fields=["by", "-id"], condition=Q(undone_at=None), name="incidents_last_of_person"),
            models.Index(fields=["incident"], condition=Q(kind="incident_commented"), name="incidents_comments"),
            models.Index(fields=["part_of"], condition=Q(part_of__isnull=False), name="incidents_parts"),
            models.Index(fields=["bulk", "id"], condition=Q(bulk__isnull=False), name="incidents_of_bulk"),
        ]

    def __str__(self) -> str:
        return self.kind

    @property
    def other_incidents(self) -> set[int]:
        """The incidents beside its own that its details name: what a merge, a split or a move moved alerts between."""
        if self.kind not in GROUPINGS:
            return set()
        parts = [each.get("incident") for each in self.details.get("incidents", ())]
        return {pk for pk in (*parts, *map(self.details.get, PARTNERS)) if isinstance(pk, int)}

    @property
    def readable_details(self) -> dict[str, Any]:
        """The details without the incidents that the reader may not see."""
        hidden = self.other_incidents - self.seen
        if not hidden:
            return self.details
        details = self.details | {name: None for name in PARTNERS if self.details.get(name) in hidden}
        if "title" in details:
            details["title"] = access.HIDDEN
        if details.get("to", 0) is None:  # the alerts are in the other incident now
            details.pop("identifiers", None)
        if "incidents" in details:
            details["incidents"] = [
                {"incident": None, "title": access.HIDDEN, "alerts": each["alerts"]}
                if each["incident"] in hidden
                else each
                for each in details["incidents"]
            ]
        return details

    @property
    def by_token(self) -> str:
        """The name of the org token of the script that acted. Empty if a person or the console acted."""
        return str(self.details.get("org_token", ""))

    @property
    def is_by_somebody(self) -> bool:
        """Return whether a person or a script acted, and not the console."""
        return self.by_id is not None or bool(self.by_token)


_Kind = Activity.Kind
GROUPINGS = frozenset(
    (
        *(_Kind.MERGED_INTO_THIS, _Kind.MERGED_AWAY, _Kind.SPLIT_FROM_THIS, _Kind.SPLIT_OFF),
        *(_Kind.MOVED_AWAY, _Kind.MOVED_HERE),
    )
)
PARTNERS = ("from", "into", "to")  # details that are the key of the other incident


def readable(activities: Iterable[Activity], reader: Reader) -> list[Activity]:
    """Return activities with the incidents that the reader may see, for their texts and `readable_details`."""
    found = list(activities)
    seen = Incident.objects.seen_among((pk for each in found for pk in each.other_incidents), reader)
    for each in found:
        each.seen = seen
    return found
