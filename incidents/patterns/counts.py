"""Numbers about patterns and recent alerts: joined alerts, tags, and what a draft would reach."""

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
from incidents.models.access import Reader
from incidents.patterns.changes import Draft

LATELY = timedelta(hours=24)
LATEST = 2_000  # alerts that the counts of tags and the reach of a draft look at
NAMES_SHOWN, EXAMPLES_SHOWN = 50, 3


class Joined(NamedTuple):
    """Numbers of the alerts that a pattern joined, and of their incidents."""

    alerts: int
    incidents: int


def joined_lately() -> dict[int, Joined]:
    """Return the numbers of the last 24 hours, by the key of the pattern."""
    recent = Alert.objects.filter(pk__gte=key_at(timezone.now() - LATELY), incident__isnull=False)
    rows = recent.order_by().values_list("decision__pattern").annotate(Count("pk"), Count("incident", distinct=True))
    return {pattern: Joined(alerts, incidents) for pattern, alerts, incidents in rows if pattern is not None}


@dataclass(frozen=True, slots=True)
class TagSeen:
    """A tag of the latest alerts."""

    name: str
    share: int  # of the latest alerts that have the tag, in percent
    examples: tuple[str, ...]  # the most frequent values


def tags_seen(reader: Reader) -> list[TagSeen]:
    """Return the tags of the latest alerts that a reader may see, the most frequent first."""
    found = [tags for (tags,) in _latest(reader, "tags")]
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
    """The part of the latest alerts that a draft would correlate."""

    looked_at: int
    since: datetime | None
    passed: int  # alerts that pass the filter
    with_tags: int  # alerts that pass the filter and have every tag
    groups: int  # different combinations of values of the tags
    alone: int  # alerts whose combination no other alert has
    largest: int  # alerts of the most frequent combination
    largest_values: tuple[str, ...]


def reach(draft: Draft, reader: Reader) -> Reach:
    """Return the reach of a draft among the alerts that a reader may see."""
    passes = parse(draft.filter).matches
    groups: Counter[tuple[str, ...]] = Counter()
    looked_at = passed = 0
    since: datetime | None = None
    for tags, status, started_at, source in _latest(reader, "tags", "status", "started_at", "app_key__source_system"):
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


def _latest(reader: Reader, *names: str) -> list[tuple[Any, ...]]:
    # An alert that never was active is not correlated.
    active = Alert.objects.visible_to(reader).exclude(severity=Status.OK)
    return list(active.order_by("-pk").values_list(*names)[:LATEST])
