"""What patterns meet in what was sent lately: what each has joined, which tags there are, what a draft would look at."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Count
from django.utils import timezone

from alerts.events import Status, shown
from alerts.models import Alert, key_at
from bpql import parse
from incidents.correlation.decide import CorrelationSubject
from incidents.patterns.changes import Draft

LATELY = timedelta(hours=24)
LATEST = 2_000  # alerts looked at for suggestions and counts
NAMES_SHOWN, EXAMPLES_SHOWN = 50, 3


class Joined(NamedTuple):
    alerts: int
    incidents: int


def joined_lately() -> dict[int, Joined]:
    """Of the last 24 hours, how many alerts each pattern brought into how many incidents."""
    recent = Alert.objects.filter(pk__gte=key_at(timezone.now() - LATELY), incident__isnull=False)
    rows = recent.order_by().values_list("decision__pattern").annotate(Count("pk"), Count("incident", distinct=True))
    return {pattern: Joined(alerts, incidents) for pattern, alerts, incidents in rows if pattern is not None}


@dataclass(frozen=True, slots=True)
class TagSeen:
    name: str
    share: int  # per cent of the latest alerts that have it
    examples: tuple[str, ...]  # its most frequent values


def tags_seen() -> list[TagSeen]:
    """The tags of the latest alerts, the most frequent first."""
    found = [tags for (tags,) in _latest("tags")]
    counts: Counter[str] = Counter()
    values: dict[str, Counter[str]] = defaultdict(Counter)
    for tags in found:
        counts.update(tags.keys())
        for name, value in tags.items():
            values[name][shown(value)] += 1
    return [
        TagSeen(
            name, round(100 * count / len(found)), tuple(value for value, _ in values[name].most_common(EXAMPLES_SHOWN))
        )
        for name, count in counts.most_common(NAMES_SHOWN)
    ]


@dataclass(frozen=True, slots=True)
class Reach:
    """What a draft would look at of the latest alerts."""

    looked_at: int
    since: datetime | None
    passed: int  # by the filter
    with_tags: int  # of those, the ones that have every tag
    groups: int  # different values of the tags
    alone: int  # alerts whose values no other has
    largest: int
    largest_values: tuple[str, ...]


def reach(draft: Draft) -> Reach:
    passes = parse(draft.filter).matches
    groups: Counter[tuple[str, ...]] = Counter()
    looked_at = passed = 0
    since: datetime | None = None
    for tags, status, started_at, source in _latest("tags", "status", "started_at", "app_key__source_system"):
        looked_at += 1
        since = min(since or started_at, started_at)
        if not passes(CorrelationSubject(source, tags, started_at, status)):
            continue
        passed += 1
        if all(tags.get(name) for name in draft.tags):
            groups[tuple(shown(tags[name]) for name in draft.tags)] += 1
    values, largest = groups.most_common(1)[0] if groups else ((), 0)
    alone = sum(count == 1 for count in groups.values())
    return Reach(looked_at, since, passed, groups.total(), len(groups), alone, largest, values)


def _latest(*names: str) -> list[tuple[Any, ...]]:
    active = Alert.objects.exclude(severity=Status.OK)  # what never was active is never correlated
    return list(active.order_by("-pk").values_list(*names)[:LATEST])
