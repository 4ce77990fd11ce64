"""Suggestions: patterns whose tags would have formed useful groups of past alerts (docs/how-it-works.md §6.3)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations
from typing import TypedDict

from django.conf import settings
from django.db.models import QuerySet

from alerts.events import Status, Tags, shown
from alerts.models import Alert, key_at
from incidents.models import CorrelationPattern
from incidents.models.access import Reader

ALERTS = 100_000  # the latest alerts of the range that count
PAGE = 5_000
TAGS = 9  # the most frequent tags, which are combined
WINDOWS = (15, 60, 240)  # minutes
LEAST_SHARE = 0.1  # of the alerts, which must have a tag
LEAST_COMPRESSION = 0.05
BIG_GROUP = 100  # alerts; the alerts of bigger groups count against a suggestion
SHOWN = 8
GAIN = 0.02  # compression that a further tag or another window must bring
FEW_VALUES = 5  # a tag with so few values in the whole range says where a problem is rather than what it is


class Suggestion(TypedDict):
    """A suggested pattern, with the groups that it would have formed."""

    tags: list[str]
    time_window: int  # minutes
    score: float  # the compression, less the share of the alerts in big groups
    compression: float  # share of the alerts that would not be an incident of their own, 0 to 1
    share: float  # of the alerts, which have all the tags
    groups: int
    biggest: int  # alerts of the biggest group
    reason: str  # in words


class SuggestionResult(TypedDict):
    """The result of a search, as stored in `SuggestionRun.result` and as the API returns it."""

    alerts: int
    incidents: int  # the incidents that the alerts are in
    compression: float
    suggestions: list[Suggestion]  # the best first


@dataclass(slots=True)
class Combination:
    """Tags and a window, while alerts are grouped by their values."""

    tags: tuple[str, ...]
    time_window: int  # minutes
    # By values: start in seconds since 1970, and number of alerts, of the present group.
    open: dict[tuple[str, ...], list[float]] = field(default_factory=dict)
    matching: int = 0
    groups: int = 0
    biggest: int = 0
    in_big_groups: int = 0

    def add(self, values: dict[str, str], start: float) -> None:
        """Add an alert, given the values of its tags and its start in seconds since 1970."""
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
        """Close all groups."""
        for _, size in self.open.values():
            self._close(int(size))
        self.open = {}

    def _close(self, size: int) -> None:
        self.groups += 1
        self.biggest = max(self.biggest, size)
        if size > BIG_GROUP:
            self.in_big_groups += size

    def compression(self, alerts: int) -> float:
        """Return the share of all alerts that would not be an incident of their own, 0 to 1."""
        return (self.matching - self.groups) / alerts

    def score(self, alerts: int) -> float:
        """Return the compression, less the share of the alerts in big groups."""
        return self.compression(alerts) - self.in_big_groups / alerts


def suggest(since: datetime, until: datetime, progress: Callable[[int], None], *, reader: Reader) -> SuggestionResult:
    """Return patterns for the alerts that began in a range of time and that a reader may see, the best first.

    1. Find the tags that many alerts have, with values that are neither all equal nor all different.
    2. Group the alerts by each combination of one to three of these tags, in each window, as a pattern would.
    3. Leave out combinations that hardly group alerts, that group too many alerts, and that a simpler combination
       equals.

    `progress` is called with the number of alerts that were grouped.
    """
    found = _alerts(since, until, reader)
    first = _first_key(found)
    names, vague = _telling_tags(found, first, progress)
    combined = [
        Combination(tags, window)
        for size in (1, 2, 3)
        for tags in combinations(sorted(names), size)
        for window in WINDOWS
    ]
    alerts = 0
    incidents: set[int] = set()
    for rows in _pages(found, first):
        for _, tags, start, incident in rows:
            alerts += 1
            incidents.add(incident or 0)
            values = {name: shown(tags[name]) for name in names if tags.get(name)}
            for each in combined:
                each.add(values, start.timestamp())
        progress(alerts)
    for each in combined:
        each.end()
    return {
        "alerts": alerts,
        "incidents": len(incidents),
        "compression": round(1 - len(incidents) / alerts, 4) if alerts else 0.0,
        "suggestions": [_suggestion(each, alerts) for each in _best(combined, alerts, vague)] if alerts else [],
    }


def _telling_tags(found: QuerySet[Alert], first: int, progress: Callable[[int], None]) -> tuple[list[str], set[str]]:
    """Return the tags to combine, and those of them that say little alone: links, and tags of very few values."""
    having: Counter[str] = Counter()
    links: Counter[str] = Counter()
    values: dict[str, set[int]] = defaultdict(set)
    alerts = 0
    for rows in _pages(found, first):
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


def _best(combined: list[Combination], alerts: int, vague: set[str]) -> list[Combination]:
    """Return the combinations to suggest, the best first, and combinations of vague tags last.

    Simple combinations are compared first, so that a further tag or a longer window must bring GAIN.
    """
    present = {
        frozenset(tags)
        for tags in CorrelationPattern.objects.present().filter(active=True).values_list("tags", flat=True)
    }

    def is_vague(each: Combination) -> bool:
        return vague.issuperset(each.tags)

    good: list[Combination] = []
    for one in sorted(combined, key=lambda each: (len(each.tags), each.time_window)):
        is_useful = one.compression(alerts) >= LEAST_COMPRESSION and one.biggest <= settings.ALERTS_PER_INCIDENT
        beside = [each for each in good if set(each.tags) <= set(one.tags) and (is_vague(one) or not is_vague(each))]
        simpler = [each.score(alerts) for each in beside]
        is_better = one.score(alerts) > max(simpler, default=0.0) + GAIN
        if is_useful and is_better and frozenset(one.tags) not in present:
            good = [each for each in good if each.tags != one.tags]
            good.append(one)
    return sorted(good, key=lambda each: (is_vague(each), -each.score(alerts)))[:SHOWN]


def _suggestion(combination: Combination, alerts: int) -> Suggestion:
    tags = " and ".join(combination.tags)
    share = combination.matching / alerts
    size = combination.matching / combination.groups
    reason = (
        f"{share:.0%} of the alerts have {tags}. Those with the same values that start within {combination.time_window} minutes"
        f" make {combination.groups:,} groups of {size:.1f} alerts on average; the biggest has {combination.biggest:,}."
    )
    return {
        "tags": list(combination.tags),
        "time_window": combination.time_window,
        "score": round(combination.score(alerts), 4),
        "compression": round(combination.compression(alerts), 4),
        "share": round(share, 4),
        "groups": combination.groups,
        "biggest": combination.biggest,
        "reason": reason,
    }


def alerts_between(since: datetime, until: datetime, reader: Reader) -> int:
    """Return the number of alerts that a search of this range looks at."""
    return min(ALERTS, _alerts(since, until, reader).count())


Row = tuple[int, Tags, datetime, int | None]


def _alerts(since: datetime, until: datetime, reader: Reader) -> QuerySet[Alert]:
    found = Alert.objects.visible_to(reader).filter(pk__gte=key_at(since), pk__lt=key_at(until))
    return found.exclude(severity=Status.OK)


def _first_key(found: QuerySet[Alert]) -> int:
    """Return the first key of the latest ALERTS alerts."""
    keys = found.order_by("-pk").values_list("pk", flat=True)
    return next(iter(keys[ALERTS - 1 : ALERTS]), 0)


def _pages(found: QuerySet[Alert], first: int) -> Iterator[Sequence[Row]]:
    alerts = found.order_by("pk").values_list("pk", "tags", "started_at", "incident")
    while rows := list(alerts.filter(pk__gte=first)[:PAGE]):
        yield rows
        first = rows[-1][0] + 1
