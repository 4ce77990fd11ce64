"""Which incident an alert belongs to, and why (docs/how-it-works.md §4.2; docs/wire-contract.md §4.2).

Pure: live correlation and the replay over the past call the same `Matches` and `decide`. What did not match is only judged
when somebody asks why (incidents.explain.considered): from the log and the rules of then it comes out the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from alerts.events import Status, Tags, fingerprint, shown
from bpql.terms import fold_tags


@dataclass(frozen=True)
class CorrelationSubject:
    """What correlation looks at of an alert."""

    source: str  # the source system of its App Key
    tags: Tags
    started_at: datetime
    status: int = 4

    @cached_property
    def folded(self) -> dict[str, list[str]]:
        """Its tags as filters compare them."""
        return fold_tags(self.tags)

    @property
    def status_name(self) -> str:
        return Status(self.status).label


@dataclass(frozen=True, slots=True)
class Pattern:
    """One version of a correlation pattern."""

    pk: int
    version: int
    tags: tuple[str, ...]
    time_window: timedelta
    cross_source: bool = True
    filter: Callable[[CorrelationSubject], bool] | None = (
        None  # its BPQL condition, sources included; None: every alert
    )
    active: bool = True


class Match(NamedTuple):
    """A pattern that an alert matches, with the values of its tags, and the key they make."""

    pattern: Pattern
    values: tuple[str, ...]
    key: str
    any_source_key: str | None = None  # where sources may not mix: what the key would be if they did


@dataclass(frozen=True, slots=True)
class Candidate:
    """An incident that one of an alert's matches leads to, by a match that all its alerts share."""

    incident: int  # whatever tells incidents apart for the caller
    anchor_at: datetime  # start of the incident's first alert
    is_full: bool = False
    is_resolved: bool = False  # by the time the alert started


Candidates = Callable[[str], Sequence[Candidate]]
# fmt: off
VERDICTS = ("joined", "outranked", "full", "incident_resolved", "outside_window", "other_source", "alone", "missing_tag", "filtered_out", "inactive")
# fmt: on


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


class Met(NamedTuple):
    """What came of the incident that one of an alert's matches led to; a verdict as in Considered."""

    pattern: int
    verdict: str
    incident: int
    anchor_at: datetime


class Matches:
    """The patterns that match an alert, in their order, asked only as far as somebody looks: most often the first has found the incident."""

    def __init__(self, subject: CorrelationSubject, patterns: Iterable[Pattern]) -> None:
        self._found: list[Match] = []
        self._further = _matching(subject, patterns)

    def __iter__(self) -> Iterator[Match]:
        place = 0
        while place < len(self._found) or self._find():
            yield self._found[place]
            place += 1

    def _find(self) -> bool:
        match = next(self._further, None)
        if match:
            self._found.append(match)
        return match is not None


@dataclass(frozen=True, slots=True)
class Decision:
    """Join `incident`, or open a new one where it is None. `matches` are the alert's own; `met` are the incidents they led to, up to that one."""

    incident: int | None
    winner: Match | None
    matches: Iterable[Match]
    met: tuple[Met, ...]
    follows: int | None = None  # the full incident that a new one takes over from


Judged = tuple[Match | Considered, ...]


def judge(subject: CorrelationSubject, patterns: Iterable[Pattern]) -> Judged:
    """What each pattern makes of the alert by itself: a match, or why it is none. In the patterns' order.

    A pattern that is off is only mentioned where it would have matched.
    """
    judged: list[Match | Considered] = []
    for pattern in patterns:
        name = pattern.pk, pattern.version
        values = _values(subject.tags, pattern.tags)
        if values and (pattern.filter is None or pattern.filter(subject)):
            off = Considered(*name, "inactive", dict(zip(pattern.tags, values, strict=True)))
            judged.append(_match(subject, pattern, values) if pattern.active else off)
        elif pattern.active:
            missing = next((tag for tag in pattern.tags if not subject.tags.get(tag)), "")
            judged.append(Considered(*name, "missing_tag" if missing else "filtered_out", missing=missing))
    return tuple(judged)


def decide(subject: CorrelationSubject, matches: Iterable[Match], candidates: Candidates) -> Decision:
    """Find the incident for an alert that has none.

    `candidates` gives the incidents under a key of the alert's matches, the latest opened last; those that were resolved or are of
    other sources only serve to say why not.

    1. Take the patterns in order (explicit, else the longest window first); one that does not match is out.
    2. The first that leads to an incident with room, in whose window the alert starts, wins: the alert joins it.
    3. Where none does, a new incident opens with every pattern that matched; where the only one in reach was full, it follows that one.
    """
    met: list[Met] = []
    follows: int | None = None
    for match in matches:
        candidate, verdict = _reachable(subject, match, candidates)
        if candidate is None:
            continue
        met.append(Met(match.pattern.pk, verdict, candidate.incident, candidate.anchor_at))
        if verdict == "joined":
            return Decision(candidate.incident, match, matches, tuple(met))
        if verdict == "full" and follows is None:
            follows = candidate.incident
    return Decision(None, None, matches, tuple(met), follows)


def considered(judged: Judged, met: Iterable[Met]) -> list[Considered]:
    """What each pattern said of the alert, in their order, when its matches led to these incidents."""
    by_pattern = {each.pattern: each for each in met}
    has_joined = False
    told: list[Considered] = []
    for each in judged:
        if isinstance(each, Considered):
            told.append(each)
            continue
        pattern, values = each.pattern, dict(zip(each.pattern.tags, each.values, strict=True))
        if found := by_pattern.get(pattern.pk):
            window = found.anchor_at - pattern.time_window, found.anchor_at + pattern.time_window
            said = Considered(pattern.pk, pattern.version, found.verdict, values, "", found.incident, *window)
        else:
            said = Considered(pattern.pk, pattern.version, "outranked" if has_joined else "alone", values)
        has_joined = has_joined or said.verdict == "joined"
        told.append(said)
    return told


def _matching(subject: CorrelationSubject, patterns: Iterable[Pattern]) -> Iterator[Match]:
    values_of: dict[tuple[str, ...], tuple[str, ...]] = {}  # many patterns compare the same tags
    for pattern in patterns:
        if not pattern.active:
            continue
        values = values_of.get(pattern.tags)
        if values is None:
            values = values_of[pattern.tags] = _values(subject.tags, pattern.tags)
        if values and (pattern.filter is None or pattern.filter(subject)):
            yield _match(subject, pattern, values)


def _values(tags: Tags, names: tuple[str, ...]) -> tuple[str, ...]:
    """The values of these tags; none at all where one of them is missing."""
    found = tuple([shown(value) for value in map(tags.get, names) if value])
    return found if len(found) == len(names) else ()


def _match(subject: CorrelationSubject, pattern: Pattern, values: tuple[str, ...]) -> Match:
    if pattern.cross_source:
        return Match(pattern, values, _key(pattern, "", values))
    return Match(pattern, values, _key(pattern, subject.source, values), _key(pattern, "", values))


def _key(pattern: Pattern, source: str, values: tuple[str, ...]) -> str:
    """What stands for the alerts that belong together by one version of a pattern; `source` is empty where sources may mix."""
    return fingerprint("\0".join((str(pattern.pk), str(pattern.version), source, *values)))


def _reachable(subject: CorrelationSubject, match: Match, candidates: Candidates) -> tuple[Candidate | None, str]:
    """The latest opened incident that the alert can join by this match; else the one that came nearest to it, and what is against it."""
    against: dict[str, Candidate] = {}
    for candidate in reversed(candidates(match.key)):
        if abs(subject.started_at - candidate.anchor_at) > match.pattern.time_window:
            against.setdefault("outside_window", candidate)
        elif candidate.is_resolved:
            against.setdefault("incident_resolved", candidate)
        elif candidate.is_full:
            against.setdefault("full", candidate)
        else:
            return candidate, "joined"
    if match.any_source_key:
        for candidate in reversed(candidates(match.any_source_key)):
            is_near = abs(subject.started_at - candidate.anchor_at) <= match.pattern.time_window
            if is_near and not candidate.is_resolved:
                against.setdefault("other_source", candidate)
    for verdict in ("full", "incident_resolved", "outside_window", "other_source"):
        if verdict in against:
            return against[verdict], verdict
    return None, "alone"


def as_data(decision: Decision, key_of: Callable[[int], int], *, turn: int, revision: int) -> dict[str, Any]:
    """For the alert's row. `key_of` gives the database's key of an incident; the alert was seen in that revision."""
    return {
        "pattern": decision.winner.pattern.pk if decision.winner else None,
        "met": [
            [each.pattern, each.verdict, key_of(each.incident), each.anchor_at.isoformat()] for each in decision.met
        ],
        "turn": turn,
        "revision": revision,
    }
