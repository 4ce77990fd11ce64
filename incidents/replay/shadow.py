"""Draft rules beside the live ones: a replay that goes on as the log grows. The live path knows nothing of it (docs/how-it-works.md §6.2)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from incidents.correlation import rules
from incidents.models import CorrelationBatch, Shadow
from incidents.models.replay import Rule
from incidents.replay import engine
from incidents.replay.engine import LATENESS, Outcome, Replay
from incidents.replay.report import ReplayReport
from people.models import User


@dataclass(slots=True)
class _Mind:
    """What a worker remembers of a shadow between two looks; one that remembers nothing follows the last windows again."""

    past: Replay
    turn: int = 0


_minds: dict[
    tuple[int, datetime], _Mind
] = {}  # by key and beginning: a database that was brought back gives keys a second time
_at_it = threading.Lock()


def switch_on(tried: Sequence[Rule], *, by: User, note: str = "") -> Shadow:
    """Run these rules beside the live ones from now on. Raises BpqlError where a filter cannot be read."""
    rules.drafts(tried)
    last = CorrelationBatch.objects.last()
    return Shadow.objects.create(rules=list(tried), by=by, note=note, turn=last.pk if last else 0)


def switch_off(shadow: Shadow) -> None:
    """What it found stays."""
    Shadow.objects.filter(pk=shadow.pk, ended_at=None).update(ended_at=timezone.now())
    shadow.refresh_from_db()


def advance_all() -> None:
    """Let each shadow that is on follow the turns that were taken since. One thread of a process at a time; safe beside other processes."""
    with _at_it:
        shadows = list(Shadow.objects.filter(ended_at=None))
        for known in _minds.keys() - {(shadow.pk, shadow.since) for shadow in shadows}:
            del _minds[known]
        for shadow in shadows:
            _follow(shadow)


def _follow(shadow: Shadow) -> None:
    """What was told before is told no more: incidents that are forgotten while an unremembered past is followed again were settled then."""
    patterns = rules.drafts(shadow.rules)
    mind = _minds.setdefault((shadow.pk, shadow.since), _Mind(Replay(lambda _: patterns)))
    reach = max((pattern.time_window for pattern in patterns), default=LATENESS)
    report = ReplayReport(shadow.since, deepcopy(shadow.kept))
    last = CorrelationBatch.objects.filter(pk__lte=shadow.turn).last()
    since = (last.at if last else shadow.since) - reach - LATENESS
    for turns in engine.turns(since, timezone.now(), after=mind.turn):
        again = [turn for turn in turns if turn.pk <= shadow.turn]
        mind.past.on_forget = _settled_before
        mind.past.follow(again)
        known = mind.past.events
        mind.past.on_forget = report.add
        mind.past.follow(turns[len(again) :])
        report.counts["events"] += mind.past.events - known
        mind.turn = turns[-1].pk
    if mind.turn <= shadow.turn:
        return
    kept = report.kept()
    so_far = ReplayReport(shadow.since, deepcopy(kept))
    so_far.add(mind.past.outcomes())
    # Another worker may have followed it too; the first to say so has counted.
    followed = Shadow.objects.filter(pk=shadow.pk, turn=shadow.turn)
    if not followed.update(turn=mind.turn, kept=kept, result=so_far.result(), changed_at=timezone.now()):
        del _minds[shadow.pk, shadow.since]


def _settled_before(outcomes: list[Outcome]) -> None:
    """They were told when they were forgotten the first time."""
