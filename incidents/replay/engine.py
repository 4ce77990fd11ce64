"""Correlation over the past: the turns that were taken, taken again in memory, by the rules of then or by others (docs/how-it-works.md §6.1).

It follows the correlation log (incidents.models.CorrelationBatch), folds each alert as far as it had come, and asks the same `Matches` and
`decide`, so under the same rules it comes to the same incidents. It streams: what is past every window is told (incidents.replay.report) and
forgotten.
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
from incidents.models.correlation_batch import InForce
from incidents.replay.manual_changes import ManualChanges, ReplayedAlert, ReplayedIncident

SEEN_AT_ONCE = 10_000  # alerts seen, of which the log is read together
LATENESS = timedelta(
    hours=1
)  # an alert that comes later than this after its window has passed finds no incident any more


Outcome = tuple[ReplayedIncident, list[ReplayedAlert]]


class Replay:
    """The incidents that turns come to, one turn after another.

    `patterns` says which rules hold in a turn. `on_forget` is told of incidents that are past every window, with their alerts, before they are
    forgotten; without it, nothing is.
    """

    def __init__(
        self,
        patterns: Callable[[InForce], Sequence[Pattern]],
        *,
        on_forget: Callable[[list[Outcome]], None] | None = None,
    ) -> None:
        self.patterns, self.on_forget = patterns, on_forget
        self.candidates: CandidateIndex[ReplayedIncident] = CandidateIndex(
            ReplayedIncident, alerts_per_incident=settings.ALERTS_PER_INCIDENT
        )
        self.alerts: dict[int, ReplayedAlert] = {}
        self.manual_changes = ManualChanges(self.candidates, self.alerts)
        self.events = 0
        self.reach = timedelta()

    def follow(self, turns: Sequence[CorrelationBatch]) -> None:
        """Take these turns again; they come after all that were followed."""
        log = _Log(turns, self.alerts)
        self.events += log.size
        for turn in turns:
            patterns = self.patterns(turn.patterns)
            self.reach = max((self.reach, *(pattern.time_window for pattern in patterns if pattern.active)))
            plans = dict[int, int](turn.maintenance)  # type: ignore[arg-type]
            for alert_pk, counted, revision in turn.seen:
                known = self.alerts.get(alert_pk)
                if known is None and counted:
                    continue  # it came before the range, or is forgotten
                if known := log.look(alert_pk, known, revision):
                    known.seen.maintenance_plan_id = plans.get(alert_pk)
                    self._take(known, patterns, turn.at)
            if turn.by_hand:
                self.manual_changes.take(turn, log.look)
        if turns and self.on_forget:
            self._forget(turns[-1].at - self.reach - LATENESS)

    def _take(self, known: ReplayedAlert, patterns: Sequence[Pattern], at: datetime) -> None:
        seen = known.seen
        if known.place >= 0:
            self.candidates.follow(known.place, seen, at)
        elif seen.needs_incident:
            subject = seen.subject
            known.place, _ = self.candidates.place(seen, subject, Matches(subject, patterns), at)
            self.candidates.rollups[known.place].members.append(seen.pk)
            self.alerts[seen.pk] = known

    def _forget(self, horizon: datetime) -> None:
        past = [
            place
            for place, rollup in self.candidates.rollups.items()
            if all(matcher.anchor_at < horizon for matcher in rollup.matchers) and rollup.incident.started_at < horizon
        ]
        self._tell(past)

    def outcomes(self) -> list[Outcome]:
        """The incidents that are not forgotten yet, with their alerts."""
        return [(each, [self.alerts[pk] for pk in each.members]) for each in self.candidates.rollups.values()]

    def end(self) -> None:
        """Tell of all that is left."""
        self._tell(list(self.candidates.rollups))

    def _tell(self, places: list[int]) -> None:
        rollups = [self.candidates.remove(place) for place in places]
        outcomes = [(each, [self.alerts.pop(pk) for pk in each.members]) for each in rollups]
        if self.on_forget and outcomes:
            self.on_forget(outcomes)


class _Log:
    """What some turns saw of their alerts, read at once."""

    def __init__(self, turns: Sequence[CorrelationBatch], known: dict[int, ReplayedAlert]) -> None:
        spans: dict[int, RevisionSpan] = {}
        by_hand = (each for turn in turns for left in turn.by_hand for each in left["seen"])
        for pk, counted, revision in chain((each for turn in turns for each in turn.seen), by_hand):
            if pk in spans:
                spans[pk] = RevisionSpan(pk, spans[pk].after, max(revision, spans[pk].until))
            elif pk in known:
                spans[pk] = RevisionSpan(pk, known[pk].seen.revision, revision)
            elif not counted:
                spans[pk] = RevisionSpan(pk, 0, revision)
        self.lines = read_spans([span for span in spans.values() if span.until > span.after])
        self.size = sum(map(len, self.lines.values()))
        late = [pk for pk, lines in self.lines.items() if _goes_back(lines, known.get(pk))]
        self.whole = read_spans([RevisionSpan(pk, 0, spans[pk].until) for pk in late])
        self.new = _unread([pk for pk in spans if pk not in known])
        self.followed: dict[int, int] = defaultdict(int)  # how many of an alert's lines

    def look(self, pk: int, known: ReplayedAlert | None, revision: int) -> ReplayedAlert | None:
        """The alert as it was seen at that revision; None where the log no longer has it."""
        known = known or self.new.get(pk)
        lines, start = self.lines.get(pk, []), self.followed[pk]
        end = start
        while end < len(lines) and lines[end].revision <= revision:
            end += 1
        self.followed[pk] = end
        if known is None:
            return None
        if pk in self.whole:
            known.projection = project(each.line for each in self.whole[pk] if each.revision <= revision)
        else:
            for each in lines[start:end]:
                if known.projection is None:
                    known.projection = begin(each.line)
                else:
                    known.projection.apply(each.line)
        if known.projection is None:
            return None
        known.look(known.projection, revision)
        return known


def _goes_back(lines: Iterable[LoggedLine], known: ReplayedAlert | None) -> bool:
    """Whether a line came late, or takes one back: then the state is folded anew from the whole log."""
    newest = known.projection.last_event_at if known and known.projection else None
    for _, line in lines:
        if line.kind == Event.Kind.UNDO or (newest and line.occurred_at < newest):
            return True
        newest = line.occurred_at
    return False


def _unread(pks: Sequence[int]) -> dict[int, ReplayedAlert]:
    """Alerts of which nothing was followed yet."""
    columns = ("pk", "identifier", "app_key_id", "primary_property", "secondary_property")
    rows: list[Any] = list(Alert.objects.filter(pk__in=pks).values_list(*columns))
    app_keys = AppKey.objects.only("source_system", "name").in_bulk({row[2] for row in rows})
    found = {}
    for pk, identifier, app_key, primary, secondary in rows:
        found[pk] = ReplayedAlert(AlertSnapshot.unread(pk, identifier, app_keys[app_key]), (primary, secondary))
    return found


def turns(since: datetime, until: datetime, *, after: int = 0) -> Iterator[list[CorrelationBatch]]:
    """The turns taken in that time, in their order; some at once, so many that they saw about SEEN_AT_ONCE alerts."""
    size = 20
    while page := list(
        CorrelationBatch.objects.filter(pk__gt=after, at__gte=since, at__lte=until).order_by("pk")[:size]
    ):
        yield page
        after = page[-1].pk
        size = max(20, min(2000, SEEN_AT_ONCE * len(page) // (1 + sum(len(turn.seen) for turn in page))))
