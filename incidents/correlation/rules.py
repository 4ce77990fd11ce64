"""Correlation patterns as values: those in force, former versions, and drafts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache

import bpql
from incidents.correlation.decide import CorrelationSubject, Pattern
from incidents.models import CorrelationPattern, PatternVersion
from incidents.models.correlation_batch import InForce
from incidents.models.replay import Rule


def in_force() -> list[Pattern]:
    """The patterns as they are now, in their order; those that are off too, since they are part of why not."""
    return [_pattern(row) for row in CorrelationPattern.objects.present()]


def named(patterns: Iterable[Pattern]) -> InForce:
    """For the record."""
    return [
        [pattern.pk, pattern.version] if pattern.active else [pattern.pk, pattern.version, 0] for pattern in patterns
    ]


class Versions:
    """The patterns as they were in force in a turn."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], Pattern] = {}
        self._lists: dict[str, list[Pattern]] = {}

    def __call__(self, in_force: InForce) -> Sequence[Pattern]:
        name = str(in_force)
        if name not in self._lists:
            self._read({(pk, version) for pk, version, *_ in in_force} - self._known.keys())
            self._lists[name] = [
                replace(self._known[pk, version], active=not off)
                for pk, version, *off in in_force
                if (pk, version) in self._known
            ]
        return self._lists[name]

    def _read(self, wanted: set[tuple[int, int]]) -> None:
        patterns = {pk for pk, _ in wanted}
        now = CorrelationPattern.objects.in_bulk(patterns)
        self._known |= {(pk, version): _value(pk, now[pk]) for pk, version in wanted if pk in now}
        # A version has a row for each change that left its rule as it was, such as switching it off.
        for row in PatternVersion.objects.filter(pattern__in=patterns):
            if (row.pattern_id, row.version) in wanted:
                self._known[row.pattern_id, row.version] = _value(row.pattern_id, row)


def current() -> list[Rule]:
    """The patterns that are on, as rules of a replay."""
    return [
        Rule(
            pattern=row.pk,
            version=row.version,
            tags=row.tags,
            time_window=row.time_window,
            filter=row.filter,
            cross_source=row.cross_source,
        )
        for row in CorrelationPattern.objects.present().filter(active=True)
    ]


def drafts(rules: Sequence[Rule]) -> list[Pattern]:
    """Rules as a replay or a shadow names them, in their order. Raises BpqlError where a filter cannot be read."""
    return [
        Pattern(
            rule.get("pattern") or -place,  # whatever tells it from others
            rule.get("version") or 0,
            tuple(rule["tags"]),
            timedelta(minutes=rule["time_window"]),
            cross_source=rule.get("cross_source", True),
            filter=_filter(rule.get("filter", "")),
            active=rule.get("active", True),
        )
        for place, rule in enumerate(rules, start=1)
    ]


def _pattern(row: CorrelationPattern) -> Pattern:
    return _value(row.pk, row, active=row.active)


def _value(pk: int, row: CorrelationPattern | PatternVersion, *, active: bool = True) -> Pattern:
    window = timedelta(minutes=row.time_window)
    return Pattern(pk, row.version, tuple(row.tags), window, row.cross_source, _filter(row.filter), active)


@lru_cache(500)
def _filter(text: str) -> Callable[[CorrelationSubject], bool] | None:
    return bpql.parse(text).matches if text.strip() else None
