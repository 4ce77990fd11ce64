"""Patterns that the past suggests: tags whose values come in groups, without groups so big that they say nothing (docs/how-it-works.md §6.3)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations
from typing import Any

from django.conf import settings

from alerts.events import Status, Tags, shown
from alerts.models import Alert, key_at
from incidents.models import CorrelationPattern

ALERTS = 100_000  # the latest of the range that are looked at
PAGE = 5_000
TAGS = 9  # that are combined: those that most alerts have
WINDOWS = (15, 60, 240)  # minutes
LEAST_SHARE = 0.1  # of alerts that must have a tag
LEAST_COMPRESSION = 0.05
BIG_GROUP = 100  # alerts; what lies in bigger ones counts against a suggestion
SHOWN = 8
GAIN = 0.02  # compression that a further tag, or another window, must bring
FEW_VALUES = 5  # of a tag in the whole range: by itself, that says where something is rather than what it is


@dataclass(slots=True)
class Trial:
    """One combination of tags in one window, while alerts are put into groups by it."""

    tags: tuple[str, ...]
    time_window: int  # minutes
    open: dict[tuple[str, ...], list[float]] = field(
        default_factory=dict
    )  # values -> start and size of the present group
    matching: int = 0
    groups: int = 0
    biggest: int = 0
    in_big_groups: int = 0

    def take(self, values: dict[str, str], start: float) -> None:
        try:
            key = tuple([values[tag] for tag in self.tags])
        except KeyError:
            return
        self.matching += 1
        group = self.open.get(key)
        if group and abs(start - group[0]) <= self.time_window * 60:
            group[1] += 1
        else:
            if group:
                self._close(int(group[1]))
            self.open[key] = [start, 1]

    def end(self) -> None:
        for _, size in self.open.values():
            self._close(int(size))
        self.open = {}

    def _close(self, size: int) -> None:
        self.groups += 1
        self.biggest = max(self.biggest, size)
        if size > BIG_GROUP:
            self.in_big_groups += size

    def compression(self, alerts: int) -> float:
        """The share of all alerts that would not be an incident of their own."""
        return (self.matching - self.groups) / alerts

    def score(self, alerts: int) -> float:
        return self.compression(alerts) - self.in_big_groups / alerts


def suggest(since: datetime, until: datetime, progress: Callable[[int], None]) -> dict[str, Any]:
    """Patterns for the alerts that began in that time, the best first.

    1. Find the tags that many alerts have, with values that are neither all the same nor all different.
    2. Put the alerts into groups by each combination of one to three of them, in each window, as a pattern would.
    3. Leave out what hardly gathers anything, what gathers too much, and what a simpler combination does as well.
    """
    first = _first_key(since, until)
    until_key = key_at(until)
    names, vague = _telling_tags(first, until_key, progress)
    trials = [
        Trial(tags, window) for size in (1, 2, 3) for tags in combinations(sorted(names), size) for window in WINDOWS
    ]
    alerts = 0
    incidents: set[int] = set()
    for rows in _pages(first, until_key):
        for _, tags, start, incident in rows:
            alerts += 1
            incidents.add(incident or 0)
            values = {name: shown(tags[name]) for name in names if tags.get(name)}
            for trial in trials:
                trial.take(values, start.timestamp())
        progress(alerts)
    for trial in trials:
        trial.end()
    return {
        "alerts": alerts,
        "incidents": len(incidents),
        "compression": round(1 - len(incidents) / alerts, 4) if alerts else 0.0,
        "suggestions": [_as_data(trial, alerts) for trial in _best(trials, alerts, vague)] if alerts else [],
    }


def _telling_tags(first: int, until: int, progress: Callable[[int], None]) -> tuple[list[str], set[str]]:
    """The tags to combine, and which of them say little by themselves: links, and those of very few values."""
    having: Counter[str] = Counter()
    links: Counter[str] = Counter()
    values: dict[str, set[int]] = defaultdict(set)
    alerts = 0
    for rows in _pages(first, until):
        alerts += len(rows)
        for _, tags, *_ in rows:
            for name, value in tags.items():
                if value:
                    text = shown(value)
                    having[name] += 1
                    links[name] += text.startswith(("http://", "https://"))
                    values[name].add(hash(text))
        progress(0)
    names = [
        name
        for name, count in having.most_common()
        if count >= LEAST_SHARE * alerts and 1 < len(values[name]) <= count / 2
    ][:TAGS]
    return names, {name for name in names if len(values[name]) <= FEW_VALUES or links[name] > having[name] / 2}


def _best(trials: list[Trial], alerts: int, vague: set[str]) -> list[Trial]:
    """Simpler ones first, so that a further tag or a longer window must be worth it; of those that are, what says little stands last."""
    present = {
        frozenset(tags)
        for tags in CorrelationPattern.objects.present().filter(active=True).values_list("tags", flat=True)
    }

    def is_vague(trial: Trial) -> bool:
        return vague.issuperset(trial.tags)

    good: list[Trial] = []
    for trial in sorted(trials, key=lambda each: (len(each.tags), each.time_window)):
        is_useful = trial.compression(alerts) >= LEAST_COMPRESSION and trial.biggest <= settings.ALERTS_PER_INCIDENT
        beside = [
            each for each in good if set(each.tags) <= set(trial.tags) and (is_vague(trial) or not is_vague(each))
        ]
        simpler = [each.score(alerts) for each in beside]
        if (
            is_useful
            and trial.score(alerts) > max(simpler, default=0.0) + GAIN
            and frozenset(trial.tags) not in present
        ):
            good = [each for each in good if each.tags != trial.tags]
            good.append(trial)
    return sorted(good, key=lambda each: (is_vague(each), -each.score(alerts)))[:SHOWN]


def _as_data(trial: Trial, alerts: int) -> dict[str, Any]:
    tags = " and ".join(trial.tags)
    share = trial.matching / alerts
    reason = (
        f"{share:.0%} of the alerts have {tags}. Those with the same values that start within {trial.time_window} minutes"
        f" make {trial.groups:,} groups of {trial.matching / trial.groups:.1f} alerts on average; the biggest has {trial.biggest:,}."
    )
    return {
        "tags": list(trial.tags),
        "time_window": trial.time_window,
        "score": round(trial.score(alerts), 4),
        "compression": round(trial.compression(alerts), 4),
        "share": round(share, 4),
        "groups": trial.groups,
        "biggest": trial.biggest,
        "reason": reason,
    }


def alerts_between(since: datetime, until: datetime) -> int:
    """How many alerts a search of that time looks at."""
    return min(ALERTS, int(_alerts(key_at(since), key_at(until)).count()))


Row = tuple[int, Tags, datetime, int | None]


def _first_key(since: datetime, until: datetime) -> int:
    """Of the range, or of its latest ALERTS."""
    keys = _alerts(key_at(since), key_at(until)).order_by("-pk").values_list("pk", flat=True)
    return next(iter(keys[ALERTS - 1 : ALERTS]), key_at(since))


def _alerts(first: int, until: int) -> Any:
    return Alert.objects.filter(pk__gte=first, pk__lt=until).exclude(severity=Status.OK)


def _pages(first: int, until: int) -> Iterator[list[Row]]:
    """In the order in which they came."""
    while rows := list(_alerts(first, until).order_by("pk").values_list("pk", "tags", "started_at", "incident")[:PAGE]):
        yield rows
        first = rows[-1][0] + 1
