"""The decision to which incident an alert belongs, and the reasons.

The rules are in docs/how-it-works.md §4.2 and docs/wire-contract.md §4.2. This module is pure: live correlation and
replays of the past call the same `Matches` and `decide`. Correlation does not evaluate patterns that do not match.
`incidents.explain.considered` evaluates these patterns when a person asks, from the log and the pattern versions of
that time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple, TypedDict

from alerts.events import Status, Tags, fingerprint, shown
from bpql.terms import fold_tags


@dataclass(frozen=True)
class CorrelationSubject:
    """The part of an alert that correlation looks at. The subject meets `bpql.Subject`, so a filter can be asked about it."""

    source: str  # source system of the alert's App Key
    tags: Tags
    started_at: datetime
    status: int = 4

    @cached_property
    def folded(self) -> dict[str, list[str]]:
        """The tags in the form in which filters compare them."""
        return fold_tags(self.tags)

    @property
    def status_name(self) -> str:
        return Status(self.status).label


@dataclass(frozen=True, slots=True)
class Pattern:
    """A correlation pattern in one version."""

    pk: int
    version: int
    tags: tuple[str, ...]
    time_window: timedelta
    cross_source: bool = True
    # The pattern's BPQL condition, with its condition on sources. None accepts every alert.
    filter: Callable[[CorrelationSubject], bool] | None = None
    active: bool = True


class Match(NamedTuple):
    """A pattern that an alert matches, with the values of the pattern's tags and the key that stands for both."""

    pattern: Pattern
    values: tuple[str, ...]
    key: str
    any_source_key: str | None = None  # the key that the pattern would give if it crossed sources; None if it does


@dataclass(frozen=True, slots=True)
class Candidate:
    """An incident that an alert may join through one of its matches."""

    incident: int  # any number that identifies the incident for the caller of `decide`
    anchor_at: datetime  # start of the incident's first alert
    is_full: bool = False
    is_resolved: bool = False  # whether the incident was over when the alert started


Candidates = Callable[[str], Sequence[Candidate]]
# fmt: off
VERDICTS = ("joined", "outranked", "full", "incident_resolved", "outside_window", "other_source", "alone", "missing_tag", "filtered_out", "inactive")
# fmt: on


@dataclass(frozen=True, slots=True)
class Considered:
    """The verdict of one pattern on an alert, with the facts.

    | verdict             | meaning                                                                               |
    |---------------------|---------------------------------------------------------------------------------------|
    | `joined`            | the alert joined `incident` through the pattern                                       |
    | `outranked`         | the pattern matches, but an earlier pattern had found the incident                    |
    | `full`              | `incident` has the same values, but no room for another alert                         |
    | `incident_resolved` | `incident` has the same values, but was resolved when the alert started               |
    | `outside_window`    | `incident` has the same values, but the alert started outside the window              |
    | `other_source`      | `incident` has the same values from another source, and the pattern separates sources |
    | `alone`             | no incident has these values                                                          |
    | `missing_tag`       | the alert lacks the tag `missing`                                                     |
    | `filtered_out`      | the pattern's filter is not true for the alert                                        |
    | `inactive`          | the pattern would match, but is switched off                                          |
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
    """An incident that one of an alert's matches found, with the verdict of the pattern as in `Considered`."""

    pattern: int
    verdict: str
    incident: int
    anchor_at: datetime


class Matches:
    """The active patterns that match an alert, in the patterns' order.

    Patterns are evaluated only as far as a caller iterates, because the first pattern finds the incident most often. A
    second iteration reuses the matches of the first.
    """

    def __init__(self, subject: CorrelationSubject, patterns: Iterable[Pattern]) -> None:
        self._found: list[Match] = []
        self._further = _matching(subject, patterns)

    def __iter__(self) -> Iterator[Match]:
        index = 0
        while index < len(self._found) or self._find():
            yield self._found[index]
            index += 1

    def _find(self) -> bool:
        match = next(self._further, None)
        if match:
            self._found.append(match)
        return match is not None


@dataclass(frozen=True, slots=True)
class Decision:
    """The incident for an alert: join `incident`, or open a new incident if `incident` is None."""

    incident: int | None
    winner: Match | None  # the match through which the alert joins
    matches: Iterable[Match]  # all matches of the alert
    met: tuple[Met, ...]  # the incidents that the matches found, up to the winner's
    follows: int | None = None  # the full incident that a new incident follows


Evaluated = tuple[Match | Considered, ...]


def evaluate(subject: CorrelationSubject, patterns: Iterable[Pattern]) -> Evaluated:
    """Return for each pattern, in order, the match or the reason why the pattern does not match.

    A pattern that is switched off appears only if it would match.
    """
    evaluated: list[Match | Considered] = []
    for pattern in patterns:
        name = pattern.pk, pattern.version
        values = _values(subject.tags, pattern.tags)
        if values and (pattern.filter is None or pattern.filter(subject)):
            off = Considered(*name, "inactive", dict(zip(pattern.tags, values, strict=True)))
            evaluated.append(_match(subject, pattern, values) if pattern.active else off)
        elif pattern.active:
            missing = next((tag for tag in pattern.tags if not subject.tags.get(tag)), "")
            evaluated.append(Considered(*name, "missing_tag" if missing else "filtered_out", missing=missing))
    return tuple(evaluated)


def decide(subject: CorrelationSubject, matches: Iterable[Match], candidates: Candidates) -> Decision:
    """Find the incident for an alert that has none.

    `candidates` returns the incidents for a key, the latest opened last. Candidates that are resolved or of another
    source cannot be joined; they give the reasons.

    1. Take the matches in the patterns' order: the explicit order, else the longest window first.
    2. The first match wins that finds an incident with room in whose window the alert starts. The alert joins this
       incident.
    3. Without such a match, the alert opens a new incident with all of its matches. If the incident in reach was full,
       the new incident follows the full one.
    """
    met: list[Met] = []
    follows: int | None = None
    for match in matches:
        candidate, verdict = _best_candidate(subject, match, candidates)
        if candidate is None:
            continue
        met.append(Met(match.pattern.pk, verdict, candidate.incident, candidate.anchor_at))
        if verdict == "joined":
            return Decision(candidate.incident, match, matches, tuple(met))
        if verdict == "full" and follows is None:
            follows = candidate.incident
    return Decision(None, None, matches, tuple(met), follows)


def considered(evaluated: Evaluated, met: Iterable[Met]) -> list[Considered]:
    """Return the verdict of each pattern, in order, given the incidents that the matches found."""
    by_pattern = {each.pattern: each for each in met}
    has_joined = False
    verdicts: list[Considered] = []
    for each in evaluated:
        if isinstance(each, Considered):
            verdicts.append(each)
            continue
        pattern, values = each.pattern, dict(zip(each.pattern.tags, each.values, strict=True))
        if found := by_pattern.get(pattern.pk):
            window = found.anchor_at - pattern.time_window, found.anchor_at + pattern.time_window
            verdict = Considered(pattern.pk, pattern.version, found.verdict, values, "", found.incident, *window)
        else:
            verdict = Considered(pattern.pk, pattern.version, "outranked" if has_joined else "alone", values)
        has_joined = has_joined or verdict.verdict == "joined"
        verdicts.append(verdict)
    return verdicts


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
    """Return the values of the named tags, or an empty tuple if one of the tags is missing."""
    found = tuple([shown(value) for value in map(tags.get, names) if value])
    return found if len(found) == len(names) else ()


def _match(subject: CorrelationSubject, pattern: Pattern, values: tuple[str, ...]) -> Match:
    if pattern.cross_source:
        return Match(pattern, values, _key(pattern, "", values))
    return Match(pattern, values, _key(pattern, subject.source, values), _key(pattern, "", values))


def _key(pattern: Pattern, source: str, values: tuple[str, ...]) -> str:
    """Return the key of a match. `source` is empty for a pattern that crosses sources."""
    return fingerprint("\0".join((str(pattern.pk), str(pattern.version), source, *values)))


def _best_candidate(subject: CorrelationSubject, match: Match, candidates: Candidates) -> tuple[Candidate | None, str]:
    """Return the latest opened incident that the alert can join through a match, with the verdict `joined`.

    Without such an incident, return the one that comes nearest and the verdict against it, or None and `alone`.
    """
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


class DecisionData(TypedDict):
    """The decision as stored in `Alert.decision` (docs/how-it-works.md §7)."""

    pattern: int | None  # the winner
    met: list[tuple[int, str, int, str]]  # each `Met` as [pattern, verdict, incident, anchor as ISO 8601]
    turn: int  # the correlation batch
    revision: int  # the alert's revision that the batch saw


def as_data(decision: Decision, key_of: Callable[[int], int], *, batch: int, revision: int) -> DecisionData:
    """Return a decision as the alert's row stores it. `key_of` returns the primary key of a candidate's incident."""
    return {
        "pattern": decision.winner.pattern.pk if decision.winner else None,
        "met": [
            (each.pattern, each.verdict, key_of(each.incident), each.anchor_at.isoformat()) for each in decision.met
        ],
        "turn": batch,
        "revision": revision,
    }
