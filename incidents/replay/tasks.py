"""Tasks on the `jobs` queue. Each task is safe to run twice, late, or beside itself."""

from __future__ import annotations

from celery import shared_task

from incidents.models import ReplayRun, SuggestionRun
from incidents.replay import runs, shadow


@shared_task(name="incidents.tasks.replay")
def replay(pk: int) -> None:
    """Carry out a ReplayRun."""
    runs.replay_run(pk)


@shared_task(name="incidents.tasks.suggest")
def suggest(pk: int) -> None:
    """Carry out a SuggestionRun."""
    runs.suggestion_run(pk)


@shared_task(name="incidents.tasks.take_up_runs")
def take_up_runs() -> None:
    """Carry out the runs whose message was lost or whose worker was killed."""
    for pk in runs.waiting(ReplayRun).values_list("pk", flat=True):
        runs.replay_run(pk)
    for pk in runs.waiting(SuggestionRun).values_list("pk", flat=True):
        runs.suggestion_run(pk)


@shared_task(name="incidents.tasks.follow_shadows")
def advance_shadows() -> None:
    """Advance the shadows of patterns to the end of the correlation log."""
    shadow.advance_all()
