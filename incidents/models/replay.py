"""Runs over the log: replays of correlation, suggestions of patterns, and shadows that follow the log as it grows."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models

# A rule of a replay: the fields of a pattern (docs/wire-contract.md §4.1: tags, time_window in minutes, filter, cross_source, active), with `pattern`
# and `version` where it is one that there is; a draft has neither, or the pattern alone that it would change.
Rule = dict[str, Any]


class LogRun(models.Model):
    """Work over a range of the log that takes its time: it shows progress, can be cancelled, and may be started twice (incidents.replay.runs)."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"
        FAILED = "failed", "Failed"

    since = models.DateTimeField()
    until = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    attempt = models.PositiveIntegerField(default=0)  # grows when a worker takes it up; only the latest one writes
    done = models.PositiveIntegerField(default=0)  # changes looked at
    total = models.PositiveIntegerField(default=0)  # changes there are in the range
    result: models.JSONField[dict[str, Any] | None, dict[str, Any] | None] = models.JSONField(null=True)
    error = models.TextField(blank=True, default="")  # why it failed, in words for a person
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    alive_at = models.DateTimeField(null=True)  # when its worker last said so
    finished_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True
        ordering: ClassVar = ["-pk"]

    @property
    def is_at_work(self) -> bool:
        return self.state in (self.State.WAITING, self.State.RUNNING)

    @property
    def percent(self) -> int:
        if self.state == self.State.DONE:
            return 100
        return min(99, 100 * self.done // self.total) if self.total else 0

    def cancel(self) -> None:
        """Stop it; its worker sees that at its next look. One that has ended stays as it is."""
        type(self)._default_manager.filter(pk=self.pk, state__in=(self.State.WAITING, self.State.RUNNING)).update(
            state=self.State.CANCELLED
        )
        self.refresh_from_db()


class ReplayRun(LogRun):
    """Correlation over a range of the past, with draft rules or with the patterns as they were in force then."""

    # In their order; null: the patterns in force at each point of the range.
    rules: models.JSONField[list[Rule] | None, list[Rule] | None] = models.JSONField(null=True)
    note = models.TextField(blank=True, default="")  # what is tried, in words

    def __str__(self) -> str:
        return f"Replay from {self.since} to {self.until}"


class SuggestionRun(LogRun):
    """A search of the past for tags that would gather alerts well."""

    def __str__(self) -> str:
        return f"Suggestions from {self.since} to {self.until}"


class Shadow(models.Model):
    """Draft rules that run beside the live patterns from when they were switched on; nobody's incidents change by it.

    Its result grows with the log (incidents.replay.shadow) and has the shape of a replay's.
    """

    rules: models.JSONField[list[Rule], list[Rule]] = models.JSONField()  # in their order
    note = models.TextField(blank=True, default="")  # what is tried, in words
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    since = models.DateTimeField(auto_now_add=True)  # when it was switched on
    ended_at = models.DateTimeField(null=True)  # when it was switched off
    turn = models.BigIntegerField(default=0)  # the last one that it has followed
    kept: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(
        default=dict
    )  # of its result, what is settled
    result: models.JSONField[dict[str, Any] | None, dict[str, Any] | None] = models.JSONField(null=True)
    changed_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-pk"]

    def __str__(self) -> str:
        return f"Shadow since {self.since}"

    @property
    def is_on(self) -> bool:
        return self.ended_at is None
