"""Shadows: replays of draft rules that continue as the correlation log grows (docs/how-it-works.md §6.2).

Live correlation knows nothing of shadows.
"""

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
from incidents.replay.engine import LATENESS, Replay, ReplayOutcome
from incidents.replay.report import ReplayReport
from people.models import User


@dataclass(slots=True)
class _Memory:
    """A worker's replay of a shadow, kept from one advance to the next, and the last batch of the replay."""

    replay: Replay
    batch: int = 0


# By primary key and start of the shadow, because a database restored from a backup gives primary keys a second time.
_memories: dict[tuple[int, datetime], _Memory] = {}
_running = threading.Lock()


def switch_on(draft: Sequence[Rule], *, by: User, note: str = "") -> Shadow:
    """Run these rules beside the live patterns from now on. Raises BpqlError for a filter with an error."""
    rules.drafts(draft)
    last = CorrelationBatch.objects.last()
    return Shadow.objects.create(rules=list(draft), by=by, note=note, turn=last.pk if last else 0)


def switch_off(shadow: Shadow) -> None:
    """End a shadow. Its result stays."""
    Shadow.objects.filter(pk=shadow.pk, ended_at=None).update(ended_at=timezone.now())
    shadow.refresh_from_db()


def advance_all() -> None:
    """Advance each shadow that is on to the end of the correlation log.

    One thread per process advances shadows at a time. Several processes may do so at once.
    """
    with _running:
        shadows = list(Shadow.objects.filter(ended_at=None))
        for known in _memories.keys() - {(shadow.pk, shadow.since) for shadow in shadows}:
            del _memories[known]
        for shadow in shadows:
            _advance(shadow)


def _advance(shadow: Shadow) -> None:
    """Advance one shadow, and write its result.

    1. Repeat the batches that the memory lacks. A worker without a memory begins one window before the shadow's last
       batch.
    2. Report the incidents that are forgotten in batches after the shadow's last batch. Incidents that are forgotten
       before were reported the first time.
    3. Write the result with the incidents that are not forgotten yet, unless another worker has advanced the shadow
       meanwhile.
    """
    patterns = rules.drafts(shadow.rules)
    memory = _memories.setdefault((shadow.pk, shadow.since), _Memory(Replay(lambda _: patterns)))
    replay = memory.replay
    reach = max((pattern.time_window for pattern in patterns), default=LATENESS)
    report = ReplayReport(shadow.since, deepcopy(shadow.kept))
    last = CorrelationBatch.objects.filter(pk__lte=shadow.turn).last()
    since = (last.at if last else shadow.since) - reach - LATENESS
    for batches in engine.read_batches(since, timezone.now(), after=memory.batch):
        again = [batch for batch in batches if batch.pk <= shadow.turn]
        replay.on_forget = _reported_before
        replay.advance(again)
        events_before = replay.events
        replay.on_forget = report.add
        replay.advance(batches[len(again) :])
        report.counts["events"] += replay.events - events_before
        memory.batch = batches[-1].pk
    if memory.batch <= shadow.turn:
        return
    kept = report.kept()
    so_far = ReplayReport(shadow.since, deepcopy(kept))
    so_far.add(replay.outcomes())
    # Two workers may advance a shadow at once. The condition lets the first one write.
    unadvanced = Shadow.objects.filter(pk=shadow.pk, turn=shadow.turn)
    if not unadvanced.update(turn=memory.batch, kept=kept, result=so_far.result(), changed_at=timezone.now()):
        del _memories[shadow.pk, shadow.since]


def _reported_before(outcomes: list[ReplayOutcome]) -> None:
    """Ignore incidents that were reported when they were forgotten the first time."""
