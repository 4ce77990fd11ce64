"""Correlation patterns as values: those in force, former versions, and drafts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from incidents.bpql import parse
from incidents.correlation import Pattern
from incidents.models import CorrelationPattern


def in_force() -> list[Pattern]:
    """The patterns as they are now, in their order; those that are off too, since they are part of why not."""
    return [_pattern(row) for row in CorrelationPattern.objects.present()]


def named(patterns: Iterable[Pattern]) -> list[list[int]]:
    """Those that are on, for the record: [pattern, version] in their order."""
    return [[pattern.pk, pattern.version] for pattern in patterns if pattern.active]


def _pattern(row: CorrelationPattern) -> Pattern:
    return Pattern(
        row.pk,
        row.version,
        tuple(row.tags),
        timedelta(minutes=row.time_window),
        cross_source=row.cross_source,
        filter=parse(row.filter).matches if row.filter else None,
        active=row.active,
    )
