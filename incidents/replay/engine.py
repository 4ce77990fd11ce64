"""Correlation over the past, in memory (docs/how-it-works.md §6.1).

A replay follows the correlation log (`incidents.models.CorrelationBatch`). It computes each alert up to the revision
that a batch saw, and calls the same `Matches`, `decide`, candidates and rollup as live correlation. With the patterns
of that time it reaches the same incidents. Incidents past every window are passed on and forgotten, so memory does not
grow with the range.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from django.conf import settings

from alerts.ingest.log import LoggedLine, RevisionSpan, read_spans
from alerts.ingest.projection import begin, project
from alerts.models import Alert, Event
from appkeys.models import AppKey
from incidents.correlation.candidates import CandidateIndex
from incidents.correlation.decide import Matches, Pattern
from incidents.correlation.rollup import AlertSnapshot
from incidents.models import CorrelationBatch
from incidents.models.correlation_batch import PatternsInForce
from incidents.replay.manual_changes import ManualChanges, ReplayedAlert, ReplayedIncident

ALERTS_AT_ONCE = 10_000  # alerts seen by the batches whose logs are read together
# How late an alert may come after its window has passed and still find its incident.
LATENESS = timedelta(hours=1)


ReplayOutcome = tuple[ReplayedIncident, list[ReplayedAlert]]


class Replay:
    """The incidents that the correlation log leads to, batch after batch.

    `patterns` returns the patterns of a batch, given the patterns that were in force. `on_forget` is called with the
    incidents that are past every window and their alerts, before they are forgotten. Without `on_forget` nothing is
    forgotten.
    """

    def __init__(
        self,
        patterns: Callable[[PatternsInForce], Sequence[Pattern]],
        *,
        on_forget: Callable[[list[ReplayOutcome]], None] | None = None,
    ) -> None:
        self.patterns, self.on_forget = patterns, on_forget
        self.candidates: CandidateIndex[ReplayedIncident] = CandidateIndex(
            ReplayedIncident, alerts_per_incident=settings.ALERTS_PER_INCIDENT
        )
        self.alerts: dict[int, ReplayedAlert] = {}
        self.manual_changes = ManualChanges(self.candidates, self.alerts)
        self.events = 0
        self.reach = timedelta()

    def advance(self, batches: Sequence[CorrelationBatch]) -> None:
        """Repeat these batches, which come after all batches so far."""
        log = _Log(batches, self.alerts)
        self.events += log.size
        for batch in batches:
            patterns = self.patterns(batch.patterns)
            self.reach = max((self.reach, *(pattern.time_window for pattern in patterns if pattern.active)))
            plans = dict[int, int](batch.maintenance)  # type: ignore[arg-type]
            for pk, counted, revision in batch.seen:
                alert = self.alerts.get(pk)
                if alert is None and counted:
                    continue  # the alert began before the range, or is forgotten
                if alert := log.read(pk, alert, revision):
                    alert.snapshot.maintenance_plan_id = plans.get(pk)
                    self._correlate(alert, patterns, batch.at)
            if batch.by_hand:
                self.manual_changes.repeat(batch, log.read)
        if batches and self.on_forget:
            self._forget(batches[-1].at - self.reach - LATENESS)

    def outcomes(self) -> list[ReplayOutcome]:
        """Return the incidents that are not forgotten, with their alerts."""
        return [(each, [self.alerts[pk] for pk in each.members]) for each in self.candidates.rollups.values()]

    def end(self) -> None:
        """Forget all incidents that are left."""
        self._pass_on(list(self.candidates.rollups))

    def _correlate(self, alert: ReplayedAlert, patterns: Sequence[Pattern], at: datetime) -> None:
        snapshot = alert.snapshot
        if alert.has_incident:
            self.candidates.update(alert.slot, snapshot, at)
        elif snapshot.needs_incident:
            subject = snapshot.subject
            alert.slot, _ = self.candidates.join_or_open(snapshot, subject, Matches(subject, patterns), at)
            self.candidates.rollups[alert.slot].members.append(snapshot.pk)
            self.alerts[snapshot.pk] = alert

    def _forget(self, horizon: datetime) -> None:
        past = [
            slot
            for slot, rollup in self.candidates.rollups.items()
            if all(matcher.anchor_at < horizon for matcher in rollup.matchers) and rollup.incident.started_at < horizon
        ]
        self._pass_on(past)

    def _pass_on(self, slots: list[int]) -> None:
        rollups = [self.candidates.remove(slot) for slot in slots]
        outcomes = [(each, [self.alerts.pop(pk) for pk in each.members]) for each in rollups]
        if self.on_forget and outcomes:
            self.on_forget(outcomes)


class _Log:
    """The part of the alerts' logs that some batches saw, read together."""

    def __init__(self, batches: Sequence[CorrelationBatch], known: dict[int, ReplayedAlert]) -> None:
        spans: dict[int, RevisionSpan] = {}
        of_manual_changes = (each for batch in batches for state in batch.by_hand for each in state["seen"])
        for pk, counted, revision in chain((each for batch in batches for each in batch.seen), of_manual_changes):
            if pk in spans:
                spans[pk] = RevisionSpan(pk, spans[pk].after, max(revision, spans[pk].until))
            elif pk in known:
                spans[pk] = RevisionSpan(pk, known[pk].snapshot.revision, revision)
            elif not counted:
                spans[pk] = RevisionSpan(pk, 0, revision)
        self.lines = read_spans([span for span in spans.values() if span.until > span.after])
        self.size = sum(map(len, self.lines.values()))
        late = [pk for pk, lines in self.lines.items() if _goes_back(lines, known.get(pk))]
        self.whole = read_spans([RevisionSpan(pk, 0, spans[pk].until) for pk in late])
        self.new = _unread([pk for pk in spans if pk not in known])
        self.applied: dict[int, int] = defaultdict(int)  # number of lines, by alert

    def read(self, pk: int, alert: ReplayedAlert | None, revision: int) -> ReplayedAlert | None:
        """Return the alert as of a revision, or None if the log does not have the alert any more.

        `alert` is the alert of the replay, and None if the replay does not know the alert.
        """
        alert = alert or self.new.get(pk)
        lines, start = self.lines.get(pk, []), self.applied[pk]
        end = start
        while end < len(lines) and lines[end].revision <= revision:
            end += 1
        self.applied[pk] = end
        if alert is None:
            return None
        if pk in self.whole:
            alert.projection = project(each.line for each in self.whole[pk] if each.revision <= revision)
        else:
            for each in lines[start:end]:
                if alert.projection is None:
                    alert.projection = begin(each.line)
                else:
                    alert.projection.apply(each.line)
        if alert.projection is None:
            return None
        alert.show(alert.projection, revision)
        return alert


def _goes_back(lines: Iterable[LoggedLine], alert: ReplayedAlert | None) -> bool:
    """Return whether a line is late or undoes another line. The projection then begins again with the whole log."""
    newest = alert.projection.last_event_at if alert and alert.projection else None
    for _, line in lines:
        if line.kind == Event.Kind.UNDO or (newest and line.occurred_at < newest):
            return True
        newest = line.occurred_at
    return False


def _unread(pks: Sequence[int]) -> dict[int, ReplayedAlert]:
    """Return alerts before the first line of their logs."""
    columns = ("pk", "identifier", "app_key_id", "primary_property", "secondary_property")
    rows: list[Any] = list(Alert.objects.filter(pk__in=pks).values_list(*columns))
    app_keys = AppKey.objects.only("source_system", "name").in_bulk({row[2] for row in rows})
    found = {}
    for pk, identifier, app_key, primary, secondary in rows:
        snapshot = AlertSnapshot.unread(pk, identifier, app_keys[app_key])
        found[pk] = ReplayedAlert(snapshot, (primary, secondary))
    return found


def read_batches(since: datetime, until: datetime, *, after: int = 0) -> Iterator[list[CorrelationBatch]]:
    """Yield the correlation batches of a range of time in order, in lists that saw about ALERTS_AT_ONCE alerts each.

    `after` is the primary key of the last batch that the caller has.
    """
    size = 20
    while page := list(
        CorrelationBatch.objects.filter(pk__gt=after, at__gte=since, at__lte=until).order_by("pk")[:size]
    ):
        yield page
        after = page[-1].pk
        size = max(20, min(2000, ALERTS_AT_ONCE * len(page) // (1 + sum(len(batch.seen) for batch in page))))
