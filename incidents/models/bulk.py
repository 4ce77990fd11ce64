"""One action on many incidents at once."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse


class BulkAction(models.Model):
    """One action on every incident of a snapshot, done in the background and undone as one.

    The snapshot is taken when the person is asked, with the counts they see: incidents that come to match later are not swept in.
    """

    class State(models.TextChoices):
        ASKED = "asked", "Not confirmed"
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        UNDOING = "undoing", "Being undone"
        UNDONE = "undone", "Undone"

    what = models.CharField(max_length=20)  # name of the deed, in incidents.actions
    arguments: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)  # of the deed
    matching = models.TextField(blank=True, default="")  # the view's query string; empty where rows were chosen
    snapshot: models.JSONField[list[int], list[int]] = models.JSONField(default=list)  # keys of incidents
    preview: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(
        default=dict
    )  # what the person was told: how many of which status and source, how many alerts fire
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    state = models.CharField(max_length=10, choices=State, default=State.ASKED)
    total = models.PositiveIntegerField(default=0)
    position = models.PositiveIntegerField(default=0)  # how many of the snapshot were looked at
    done = models.PositiveIntegerField(default=0)
    skipped: models.JSONField[dict[str, list[int]], dict[str, list[int]]] = models.JSONField(
        default=dict
    )  # reason -> incidents that it left alone
    kept: models.JSONField[dict[str, list[int]], dict[str, list[int]]] = models.JSONField(
        default=dict
    )  # reason -> incidents that its undo left alone
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)
    undone_at = models.DateTimeField(null=True)
    announced_at = models.DateTimeField(null=True)  # when its result was told to the person

    class Meta:
        ordering: ClassVar = ["-pk"]

    def __str__(self) -> str:
        return f"{self.what} of {self.total} incidents"

    def get_absolute_url(self) -> str:
        return reverse("incidents:bulk", args=[self.pk])

    @property
    def is_grouping(self) -> bool:
        """Whether it is one deed among all of its incidents, rather than the same for each."""
        return self.what in ("merge", "split", "split_by_tag", "move")

    @property
    def is_at_work(self) -> bool:
        return self.state in (self.State.WAITING, self.State.RUNNING, self.State.UNDOING)

    @property
    def waits_to_be_read(self) -> bool:
        """What somebody took back as a whole is told for a moment only: they know it."""
        return self.announced_at is None and not (self.state == self.State.UNDONE and not self.kept)

    @property
    def kept_count(self) -> int:
        return sum(map(len, self.kept.values()))

    @property
    def skipped_count(self) -> int:
        return sum(map(len, self.skipped.values()))
