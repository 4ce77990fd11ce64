"""Which incident an alert belongs to, and why (engine.md, Correlation; bigpanda.md §3.2).

Pure: live correlation and the replay over the past call the same `judge` and `decide`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Self
from uuid import UUID

from alerts.events import Tags, fingerprint, shown


@dataclass(frozen=True, slots=True)
class Subject:
    """What correlation looks at of an alert."""

    source: str  # the source system of its App Key
    tags: Tags
    started_at: datetime
    status: int = 4


@dataclass(frozen=True, slots=True)
class Pattern:
    """One version of a correlation pattern."""

    pk: int
    version: int
    tags: tuple[str, ...]
    time_window: timedelta
    cross_source: bool = True
    filter: Callable[[Subject], bool] | None = None  # its BPQL condition, sources included; None: every alert
    active: bool = True


@dataclass(frozen=True, slots=True)
class Match:
    """A pattern that an alert matches, with the values that make its key."""

    pattern: Pattern
    values: Mapping[str, str]
    key: UUID
    any_source_key: UUID | None = None  # where sources may not mix: what the key would be if they did


@dataclass(frozen=True, slots=True)
class Candidate:
    """An incident that one of an alert's matches leads to, by a match that all its alerts share."""

    incident: int  # whatever tells incidents apart for the caller
    anchor_at: datetime  # start of the incident's first alert
    is_full: bool = False
    is_resolved: bool = False  # by the time the alert started


@dataclass(frozen=True, slots=True)
class Considered:
    """What one pattern said of the alert, with the facts.

    | verdict             | means                                                                         |
    |---------------------|-------------------------------------------------------------------------------|
    | `joined`            | the alert came into `incident` by it                                          |
    | `outranked`         | it matches too, but a pattern before it had found the incident                |
    | `full`              | `incident` matches, but has no room for another alert                         |
    | `incident_resolved` | `incident` matches, but was resolved when the alert started                   |
    | `outside_window`    | `incident` matches, but the alert started outside the window around its start |
    | `other_source`      | `incident` matches but for its source, and this pattern keeps sources apart   |
    | `alone`             | no incident has these values                                                  |
    | `missing_tag`       | the alert lacks the tag `missing`                                             |
    | `filtered_out`      | the alert is not among those that the pattern's filter names                  |
    | `inactive`          | it would match, but the pattern is switched off                               |
    """

    pattern: int
    version: int
    verdict: str
    values: Mapping[str, str] = field(default_factory=dict)
    missing: str = ""
    incident: int | None = None
    window_from: datetime | None = None
    window_until: datetime | None = None

    def as_data(self, key_of: Callable[[int], int]) -> list[Any] | dict[str, Any]:
        """As JSON; short where there is little to say, since most patterns pass over most alerts."""
        if not self.values:
            return [self.pattern, self.version, self.verdict, self.missing]
        row = {"pattern": self.pattern, "version": self.version, "verdict": self.verdict, "values": dict(self.values)}
        if self.incident is not None:
            row["incident"] = key_of(self.incident)
        if self.window_from and self.window_until:
            row |= {"window_from": self.window_from.isoformat(), "window_until": self.window_until.isoformat()}
        return row

    @classmethod
    def from_data(cls, row: Any) -> Self:
        if isinstance(row, list):
            pattern, version, verdict, missing = row
            return cls(pattern, version, verdict, missing=missing)
        times = {name: datetime.fromisoformat(row[name]) for name in ("window_from", "window_until") if name in row}
        return cls(**(row | times))


@dataclass(frozen=True, slots=True)
class Decision:
    """Join `incident`, or open a new one where it is None. `matches` are the alert's own; `considered` are the reasons, in the patterns' order."""

    incident: int | None
    winner: Match | None
    matches: tuple[Match, ...]
    considered: tuple[Considered, ...]
    follows: int | None = None  # the full incident that a new one takes over from

    def as_data(self, key_of: Callable[[int], int]) -> dict[str, Any]:
        """For the alert's row: why it is where it is. `key_of` gives the database's key of an incident."""
        return {
            "pattern": self.winner.pattern.pk if self.winner else None,
            "considered": [each.as_data(key_of) for each in self.considered],
        }


def reasons(decision: Mapping[str, Any] | None) -> list[Considered]:
    """What each pattern said, read from an alert's row; nothing where it has no incident or was put there by hand."""
    return [Considered.from_data(row) for row in (decision or {}).get("considered", ())]


Judged = tuple[Match | Considered, ...]


def judge(subject: Subject, patterns: Iterable[Pattern]) -> Judged:
    """What each pattern makes of the alert by itself: a match, or why it is none. In the patterns' order.

    A pattern that is off is only mentioned where it would have matched.
    """
    judged: list[Match | Considered] = []
    tags = subject.tags
    for pattern in patterns:
        missing = ""
        for tag in pattern.tags:
            if not tags.get(tag):
                missing = tag
                break
        if missing:
            if pattern.active:
                judged.append(_passed_over(pattern.pk, pattern.version, "missing_tag", missing))
        elif pattern.filter and not pattern.filter(subject):
            if pattern.active:
                judged.append(_passed_over(pattern.pk, pattern.version, "filtered_out", ""))
        elif pattern.active:
            judged.append(_match(subject, pattern))
        else:
            values = {tag: shown(tags[tag]) for tag in pattern.tags}
            judged.append(Considered(pattern.pk, pattern.version, "inactive", values))
    return tuple(judged)


def matches(judged: Judged) -> tuple[Match, ...]:
    """The patterns that match, in their order."""
    return tuple(each for each in judged if isinstance(each, Match))


def decide(subject: Subject, judged: Judged, candidates: Mapping[UUID, Sequence[Candidate]]) -> Decision:
    """Find the incident for an alert that has none.

    `candidates` are the incidents under the keys of the alert's matches, the latest opened last; those that were resolved or are of
    other sources only serve to say why not.

    1. Take the patterns in order (explicit, else the longest window first); one that does not match is out.
    2. The first that leads to an incident with room, in whose window the alert starts, wins: the alert joins it.
    3. Where none does, a new incident opens with every pattern that matched; where the only one in reach was full, it follows that one.
    """
    considered: list[Considered] = []
    joined: Candidate | None = None
    winner: Match | None = None
    follows: int | None = None
    for each in judged:
        if isinstance(each, Considered):
            considered.append(each)
        elif joined:
            considered.append(_considered(each, "outranked"))
        else:
            candidate, verdict = _reachable(subject, each, candidates)
            if verdict == "joined":
                joined, winner = candidate, each
            elif verdict == "full" and follows is None and candidate:
                follows = candidate.incident
            considered.append(_considered(each, verdict, candidate))
    if joined:
        follows = None
    return Decision(joined.incident if joined else None, winner, matches(judged), tuple(considered), follows)


@lru_cache(2000)
def _passed_over(pattern: int, version: int, verdict: str, missing: str) -> Considered:
    return Considered(pattern, version, verdict, missing=missing)


def _match(subject: Subject, pattern: Pattern) -> Match:
    values = {tag: shown(subject.tags[tag]) for tag in pattern.tags}
    any_source = key_of(pattern.pk, pattern.version, "", *values.values())
    if pattern.cross_source:
        return Match(pattern, values, any_source)
    key = key_of(pattern.pk, pattern.version, subject.source, *values.values())
    return Match(pattern, values, key, any_source)


@lru_cache(20_000)
def key_of(pattern: int, version: int, source: str, *values: str) -> UUID:
    """What stands for the alerts that belong together by one version of a pattern; `source` is empty where sources may mix."""
    return UUID(fingerprint("\0".join((str(pattern), str(version), source, *values))))


def _reachable(
    subject: Subject, match: Match, candidates: Mapping[UUID, Sequence[Candidate]]
) -> tuple[Candidate | None, str]:
    """The latest opened incident that the alert can join by this match; else the one that came nearest to it, and what is against it."""
    against: dict[str, Candidate] = {}
    for candidate in reversed(candidates.get(match.key, ())):
        if abs(subject.started_at - candidate.anchor_at) > match.pattern.time_window:
            against.setdefault("outside_window", candidate)
        elif candidate.is_resolved:
            against.setdefault("incident_resolved", candidate)
        elif candidate.is_full:
            against.setdefault("full", candidate)
        else:
            return candidate, "joined"
    if match.any_source_key:
        for candidate in reversed(candidates.get(match.any_source_key, ())):
            is_near = abs(subject.started_at - candidate.anchor_at) <= match.pattern.time_window
            if is_near and not candidate.is_resolved:
                against.setdefault("other_source", candidate)
    for verdict in ("full", "incident_resolved", "outside_window", "other_source"):
        if verdict in against:
            return against[verdict], verdict
    return None, "alone"


def _considered(match: Match, verdict: str, candidate: Candidate | None = None) -> Considered:
    window = match.pattern.time_window
    return Considered(
        match.pattern.pk,
        match.pattern.version,
        verdict,
        values=match.values,
        incident=candidate.incident if candidate else None,
        window_from=candidate.anchor_at - window if candidate else None,
        window_until=candidate.anchor_at + window if candidate else None,
    )
