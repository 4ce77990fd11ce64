"""Runs over the log: taken up by one worker at a time, with progress, until done, cancelled or failed. A run that is started twice is done once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from bpql import BpqlError
from incidents.correlation import rules
from incidents.models import CorrelationBatch, LogRun, ReplayRun, SuggestionRun
from incidents.replay import engine, suggestions
from incidents.replay.engine import LATENESS, Replay
from incidents.replay.report import ReplayReport

SILENCE = timedelta(seconds=60)  # a worker that has said nothing for so long is dead
logger = logging.getLogger(__name__)
Run = TypeVar("Run", bound=LogRun)
Progress = Callable[[int], None]  # to say how far it is; raises Stopped where it is to go no further


class Stopped(Exception):
    """Somebody cancelled the run, or another worker has taken it up after a long silence."""


def replay_run(pk: int) -> None:
    _run(
        ReplayRun,
        pk,
        _replay,
        total=lambda run: CorrelationBatch.objects.filter(at__gte=run.since, at__lte=run.until).count(),
    )


def suggestion_run(pk: int) -> None:
    def search(run: SuggestionRun, progress: Progress) -> dict[str, Any]:
        return suggestions.suggest(run.since, run.until, progress)

    _run(SuggestionRun, pk, search, total=lambda run: suggestions.alerts_between(run.since, run.until))


def waiting(model: type[Run]) -> QuerySet[Run]:
    """Those that no worker is at: not yet, or not any more."""
    silent = Q(state=LogRun.State.RUNNING, alive_at__lt=timezone.now() - SILENCE)
    return model._default_manager.filter(Q(state=LogRun.State.WAITING) | silent)


def _run(
    model: type[Run], pk: int, work: Callable[[Run, Progress], dict[str, Any]], *, total: Callable[[Run], int]
) -> None:
    """Take a run up, unless it has ended or another worker is at it. Where one was killed at it, the next one begins anew."""
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


def _replay(run: ReplayRun, progress: Progress) -> dict[str, Any]:
    """What began before the range is followed from one window before it, so that the range's first alerts find what was open then."""
    tried = None if run.rules is None else rules.drafts(run.rules)
    reach = max((each.time_window for each in (rules.in_force() if tried is None else tried)), default=LATENESS)
    report = ReplayReport(run.since)
    past = Replay(rules.Versions() if tried is None else lambda _: tried, on_forget=report.add)
    done = 0
    for turns in engine.turns(run.since - reach - LATENESS, run.until):
        past.follow(turns)
        done += sum(turn.at >= run.since for turn in turns)
        progress(done)
    past.end()
    report.counts["events"] = past.events
    return report.result()
