"""Bulk actions: one action on many incidents (docs/how-it-works.md §8.3)."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse


class BulkAction(models.Model):
    """An action on every incident of a list, carried out in the background and undone as a whole.

    The list is fixed when the console asks the person to confirm, together with the counts that the person sees.
    Incidents that match later are not included.
    """

    class State(models.TextChoices):
        ASKED = "asked", "Not confirmed"
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        UNDOING = "undoing", "Being undone"
        UNDONE = "undone", "Undone"

    what = models.CharField(max_length=20)  # name of the action in `incidents.actions`
    arguments: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)  # of the action
    matching = models.TextField(blank=True, default="")  # query string of the view; empty if the person chose rows
    snapshot: models.JSONField[list[int], list[int]] = models.JSONField(default=list)  # primary keys of incidents
    # What the person saw before the confirmation: `statuses`, a list of [status, incidents], `sources`, a list of
    # [integration, incidents], `firing`, the number of active alerts, and `firing_incidents`, the incidents with active
    # alerts.
    preview: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    # Who undid the action, or is undoing it.
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", db_index=False
    )
    state = models.CharField(max_length=10, choices=State, default=State.ASKED)
    total = models.PositiveIntegerField(default=0)
    position = models.PositiveIntegerField(default=0)  # number of incidents of the snapshot that were processed
    done = models.PositiveIntegerField(default=0)
    # By reason: the incidents that refused the action, and the incidents that refused its undo.
    skipped: models.JSONField[dict[str, list[int]], dict[str, list[int]]] = models.JSONField(default=dict)
    kept: models.JSONField[dict[str, list[int]], dict[str, list[int]]] = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)
    undone_at = models.DateTimeField(null=True)
    announced_at = models.DateTimeField(null=True)  # when the person saw the result

    class Meta:
        ordering: ClassVar = ["-pk"]

    def __str__(self) -> str:
        return f"{self.what} of {self.total} incidents"

    def get_absolute_url(self) -> str:
        return reverse("incidents:bulk", args=[self.pk])

    @property
    def is_at_work(self) -> bool:
        return self.state in (self.State.WAITING, self.State.RUNNING, self.State.UNDOING)

    @property
    def waits_to_be_read(self) -> bool:
        """Return whether the result is still to be shown.

        The result of a complete undo is not shown, because the person asked for the undo.
        """
        return self.announced_at is None and not (self.state == self.State.UNDONE and not self.kept)

    @property
    def kept_count(self) -> int:
        return sum(map(len, self.kept.values()))

    @property
    def skipped_count(self) -> int:
        return sum(map(len, self.skipped.values()))
