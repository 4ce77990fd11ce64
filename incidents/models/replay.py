"""Runs over the correlation log: replays, searches for suggestions, and shadows (docs/how-it-works.md §6)."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models

from incidents.models import access
from people.models import User

# A rule of a replay, as JSON: the fields of a pattern (docs/wire-contract.md §4.1), with `time_window` in minutes.
# - A stored pattern as it is has `pattern`, the primary key, and `version`.
# - A draft that would change a stored pattern has `pattern` and `seen`, the pattern's `as_of` when it was drafted.
# - A new draft has neither, but `is_suggestion` if the console suggested the pattern.
Rule = dict[str, Any]


class LogRun(models.Model):
    """A task over a range of the log that takes a while (docs/how-it-works.md §6.1).

    A run shows its progress and can be cancelled. `incidents.replay.runs` carries runs out.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"
        FAILED = "failed", "Failed"

    since = models.DateTimeField()
    until = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    # How often a worker took the run up. Only the latest attempt writes.
    attempt = models.PositiveIntegerField(default=0)
    # Progress, in correlation batches of a replay, or alerts of a search for suggestions.
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    # A `ReplayResult` (`incidents.replay.report`) or a `SuggestionResult` (`incidents.replay.suggestions`). Null until the
    # run is done.
    result: models.JSONField[dict[str, Any] | None, dict[str, Any] | None] = models.JSONField(null=True)
    error = models.TextField(blank=True, default="")  # why the run failed, in words for a person
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    alive_at = models.DateTimeField(null=True)  # when the worker last reported progress
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
        """Cancel the run, unless the run has ended. The worker stops at its next report of progress."""
        type(self)._default_manager.filter(pk=self.pk, state__in=(self.State.WAITING, self.State.RUNNING)).update(
            state=self.State.CANCELLED
        )
        self.refresh_from_db()


class ReplayRun(LogRun):
    """A replay of a range of the past, with draft rules or with the patterns that were in force at the time."""

    # In the order of the rules. Null stands for the patterns that were in force in each correlation batch.
    rules: models.JSONField[list[Rule] | None, list[Rule] | None] = models.JSONField(null=True)
    note = models.TextField(blank=True, default="")  # purpose of the replay, in words

    def __str__(self) -> str:
        return f"Replay from {self.since} to {self.until}"


class SuggestionRunQuerySet(models.QuerySet["SuggestionRun"]):
    def visible_to(self, user: User) -> Self:
        """Return the searches among alerts that a user may see: all of them, or those of people of the same role."""
        return self if access.sees_everything(user) else self.filter(by__role=user.role_id)


class SuggestionRun(LogRun):
    """A search for patterns that past alerts suggest (docs/how-it-works.md §6.3).

    It looks at the alerts that the person who ordered it may see.
    """

    objects = SuggestionRunQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Suggestions from {self.since} to {self.until}"


class Shadow(models.Model):
    """Draft rules that run beside the live patterns and change no incident (docs/how-it-works.md §6.2).

    The result grows with the correlation log from the time when the shadow was switched on.
    """

    rules: models.JSONField[list[Rule], list[Rule]] = models.JSONField()  # in the order of the rules
    note = models.TextField(blank=True, default="")  # purpose of the shadow, in words
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    since = models.DateTimeField(auto_now_add=True)  # when the shadow was switched on
    ended_at = models.DateTimeField(null=True)  # when the shadow was switched off
    turn = models.BigIntegerField(default=0)  # the last correlation batch of the shadow
    # The state of the report on incidents past every window (`incidents.replay.report.ReplayReport.kept`).
    kept: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    # The report on all incidents so far (`incidents.replay.report.ReplayResult`).
    result: models.JSONField[dict[str, Any] | None, dict[str, Any] | None] = models.JSONField(null=True)
    changed_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-pk"]

    def __str__(self) -> str:
        return f"Shadow since {self.since}"

    @property
    def is_on(self) -> bool:
        return self.ended_at is None
