"""Runs over the log: replays and searches for suggestions (docs/how-it-works.md §6.1).

One worker at a time carries a run out and reports progress, until the run is done, cancelled or failed. A run that is
started twice is carried out once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from bpql import BpqlError
from incidents.correlation import rules
from incidents.models import CorrelationBatch, LogRun, ReplayRun, SuggestionRun
from incidents.replay import engine, suggestions
from incidents.replay.engine import LATENESS, Replay
from incidents.replay.report import ReplayReport, ReplayResult
from incidents.replay.suggestions import SuggestionResult

SILENCE = timedelta(seconds=60)  # after which a worker that reports no progress counts as dead
logger = logging.getLogger(__name__)
Run = TypeVar("Run", bound=LogRun)
Progress = Callable[[int], None]  # takes the amount of work done, and raises Stopped if the run is to end


class Stopped(Exception):
    """A person cancelled the run, or another worker took it up after a long silence."""


def replay_run(pk: int) -> None:
    """Carry out a ReplayRun."""
    _carry_out(
        ReplayRun,
        pk,
        _replay,
        total=lambda run: CorrelationBatch.objects.filter(at__gte=run.since, at__lte=run.until).count(),
    )


def suggestion_run(pk: int) -> None:
    """Carry out a SuggestionRun, among the alerts that the person who ordered it may see."""

    def search(run: SuggestionRun, progress: Progress) -> SuggestionResult:
        return suggestions.suggest(run.since, run.until, progress, reader=run.by)

    def total(run: SuggestionRun) -> int:
        return suggestions.alerts_between(run.since, run.until, run.by)

    _carry_out(SuggestionRun, pk, search, total=total)


def waiting(model: type[Run]) -> QuerySet[Run]:
    """Return the runs that no worker carries out: not started, or left by a worker that is dead."""
    silent = Q(state=LogRun.State.RUNNING, alive_at__lt=timezone.now() - SILENCE)
    return model._default_manager.filter(Q(state=LogRun.State.WAITING) | silent)


def _carry_out(
    model: type[Run],
    pk: int,
    work: Callable[[Run, Progress], Mapping[str, Any]],
    *,
    total: Callable[[Run], int],
) -> None:
    """Carry out a run from its beginning, unless the run has ended or another worker carries it out.

    A run that a killed worker left begins anew. The attempt guards against a worker that was only slow: a worker whose
    attempt is not the latest writes nothing.
    """
    now = timezone.now()
    free = waiting(model).filter(pk=pk)
    if not free.update(state=LogRun.State.RUNNING, attempt=F("attempt") + 1, started_at=now, alive_at=now, done=0):
        return
    run = model._default_manager.get(pk=pk)
    own = model._default_manager.filter(pk=pk, attempt=run.attempt, state=LogRun.State.RUNNING)

    def progress(done: int) -> None:
        if not own.update(done=done, alive_at=timezone.now()):
            raise Stopped

    try:
        own.update(total=total(run))
        result = work(run, progress)
    except Stopped:
        logger.info("%s %d: stopped", model.__name__, pk)
    except BpqlError as error:
        message = f"A filter cannot be read: {error.message}"
        own.update(state=LogRun.State.FAILED, error=message, finished_at=timezone.now())
    except Exception:
        message = "It ended by a fault of the console's; the worker's log says which."
        own.update(state=LogRun.State.FAILED, error=message, finished_at=timezone.now())
        raise
    else:
        own.update(state=LogRun.State.DONE, result=result, finished_at=timezone.now())


def _replay(run: ReplayRun, progress: Progress) -> ReplayResult:
    """Replay the range of a run, and return the report.

    The replay begins one window before the range, so that the first alerts of the range find the incidents that were
    open then.
    """
    drafts = None if run.rules is None else rules.drafts(run.rules)
    reach = max((each.time_window for each in (rules.in_force() if drafts is None else drafts)), default=LATENESS)
    report = ReplayReport(run.since)
    replay = Replay(rules.Versions() if drafts is None else lambda _: drafts, on_forget=report.add)
    done = 0
    for batches in engine.read_batches(run.since - reach - LATENESS, run.until):
        replay.advance(batches)
        done += sum(batch.at >= run.since for batch in batches)
        progress(done)
    replay.end()
    report.counts["events"] = replay.events
    return report.result()
