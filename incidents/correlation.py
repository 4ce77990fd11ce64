"""Which incident an alert belongs to, and why (engine.md, Correlation).

Pure: live correlation and the replay over the past call the same `decide`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from alerts.events import Tags, fingerprint, shown


@dataclass(frozen=True, slots=True)
class Pattern:
    """One version of a correlation pattern."""

    pk: int
    version: int
    tags: tuple[str, ...]
    time_window: timedelta
    cross_source: bool = True


@dataclass(frozen=True, slots=True)
class Subject:
    """What correlation looks at of an alert."""

    source: str  # the source system of its App Key
    tags: Tags
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Match:
    """A pattern that an alert matches, with the values that make its key."""

    pattern: Pattern
    values: Mapping[str, str]
    key: UUID


@dataclass(frozen=True, slots=True)
class Candidate:
    """An active incident that one of an alert's matches leads to, by a match that all its alerts share."""

    incident: int  # whatever tells incidents apart for the caller
    key: UUID
    anchor_at: datetime  # start of the incident's first alert
    is_full: bool = False


@dataclass(frozen=True, slots=True)
class Considered:
    """What one pattern said of the alert: `joined`, `opened`, `outranked`, `missing_tag`, `alone`, `outside_window` or `full`, with the facts."""

    pattern: int
    version: int
    verdict: str
    values: Mapping[str, str] = field(default_factory=dict)
    missing: str = ""  # the tag that the alert lacks
    incident: int | None = None
    window_from: datetime | None = None
    window_until: datetime | None = None


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
        rows = [
            {name: value for name in Considered.__slots__ if (value := getattr(each, name)) not in (None, "", {})}
            for each in self.considered
        ]
        for row in rows:
            if "incident" in row:
                row["incident"] = key_of(row["incident"])
            for edge in ("window_from", "window_until"):
                if edge in row:
                    row[edge] = row[edge].isoformat()
        return {"pattern": self.winner.pattern.pk if self.winner else None, "considered": rows}


def matches(subject: Subject, patterns: Iterable[Pattern]) -> tuple[Match, ...]:
    """The patterns whose tags the alert has, each with a value, in the patterns' order."""
    return tuple(_match(subject, pattern) for pattern in patterns if not _missing(subject, pattern))


def decide(subject: Subject, patterns: Sequence[Pattern], candidates: Mapping[UUID, Sequence[Candidate]]) -> Decision:
    """Find the incident for an alert that has none.

    `candidates` are the active incidents under the keys of the alert's matches, the latest opened last.

    1. Take the patterns in order; one whose tags the alert lacks is out.
    2. The first that leads to an incident with room, in whose window the alert starts, wins: the alert joins it.
    3. Where none does, a new incident opens with every pattern that matched; where the only one in reach was full, it follows that one.
    """
    found: list[Match] = []
    considered: list[Considered] = []
    joined: Candidate | None = None
    winner: Match | None = None
    follows: int | None = None
    for pattern in patterns:
        if missing := _missing(subject, pattern):
            considered.append(Considered(pattern.pk, pattern.version, "missing_tag", missing=missing))
            continue
        match = _match(subject, pattern)
        found.append(match)
        if joined:
            considered.append(_considered(match, "outranked"))
            continue
        candidate, verdict = _reachable(subject, match, candidates.get(match.key, ()))
        if verdict == "joined":
            joined, winner = candidate, match
        elif verdict == "full" and follows is None and candidate:
            follows = candidate.incident
        considered.append(_considered(match, verdict, candidate))
    if joined:
        follows = None
    return Decision(joined.incident if joined else None, winner, tuple(found), tuple(considered), follows)


def _missing(subject: Subject, pattern: Pattern) -> str:
    return next((tag for tag in pattern.tags if not subject.tags.get(tag)), "")


def _match(subject: Subject, pattern: Pattern) -> Match:
    values = {tag: shown(subject.tags[tag]) for tag in pattern.tags}
    parts = (str(pattern.pk), str(pattern.version), "" if pattern.cross_source else subject.source)
    return Match(pattern, values, UUID(fingerprint("\0".join((*parts, *values.values())))))


def _reachable(subject: Subject, match: Match, candidates: Sequence[Candidate]) -> tuple[Candidate | None, str]:
    """The latest opened incident in whose window the alert starts, and the verdict on it."""
    full: Candidate | None = None
    for candidate in reversed(candidates):
        if abs(subject.started_at - candidate.anchor_at) > match.pattern.time_window:
            continue
        if not candidate.is_full:
            return candidate, "joined"
        full = full or candidate
    if full:
        return full, "full"
    return (candidates[-1], "outside_window") if candidates else (None, "alone")


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
