"""Correlation patterns as values for `decide`: present patterns, versions of a past time, and rules of a draft."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache

import bpql
from incidents.correlation.decide import CorrelationSubject, Pattern
from incidents.models import CorrelationPattern, PatternVersion
from incidents.models.correlation_batch import PatternsInForce
from incidents.models.replay import Rule


def in_force() -> list[Pattern]:
    """Return the present patterns in their order.

    Patterns that are switched off are included, because explanations name them.
    """
    return [_pattern(row) for row in CorrelationPattern.objects.present()]


class Versions:
    """Reader of the patterns as they were in force in a correlation batch. What was read is kept for further calls."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], Pattern] = {}
        self._lists: dict[str, list[Pattern]] = {}

    def __call__(self, in_force: PatternsInForce) -> Sequence[Pattern]:
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
        present = CorrelationPattern.objects.in_bulk(patterns)
        self._known |= {(pk, version): _value(pk, present[pk]) for pk, version in wanted if pk in present}
        # A version has several rows if a change left the rule as it was, such as switching the pattern off.
        for row in PatternVersion.objects.filter(pattern__in=patterns):
            if (row.pattern_id, row.version) in wanted:
                self._known[row.pattern_id, row.version] = _value(row.pattern_id, row)


def current() -> list[Rule]:
    """Return the active patterns as rules of a replay."""
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
    """Return the rules of a replay or a shadow as patterns, in their order.

    Raises BpqlError for a filter with an error.
    """
    return [
        Pattern(
            rule.get("pattern") or -number,  # a number that no other rule has
            rule.get("version") or 0,
            tuple(rule["tags"]),
            timedelta(minutes=rule["time_window"]),
            cross_source=rule.get("cross_source", True),
            filter=_filter(rule.get("filter", "")),
            active=rule.get("active", True),
        )
        for number, rule in enumerate(rules, start=1)
    ]


def _pattern(row: CorrelationPattern) -> Pattern:
    return _value(row.pk, row, active=row.active)


def _value(pk: int, row: CorrelationPattern | PatternVersion, *, active: bool = True) -> Pattern:
    window = timedelta(minutes=row.time_window)
    return Pattern(pk, row.version, tuple(row.tags), window, row.cross_source, _filter(row.filter), active)


@lru_cache(500)
def _filter(text: str) -> Callable[[CorrelationSubject], bool] | None:
    return bpql.parse(text).matches if text.strip() else None
