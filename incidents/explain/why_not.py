"""Answers why an alert is not in an incident, or not together with another alert (docs/how-it-works.md §7).

The patterns are those that the alert was checked against when it came, in the versions of that time, and those made
since. `evaluate` and `decide` of live correlation give the verdict of each pattern, with the incident in question as
the only candidate. If a pattern does not find the incident, the answer compares the tags.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.conf import settings

from alerts.events import shown
from alerts.models import Alert
from incidents.correlation import rules
from incidents.correlation.decide import Candidate, Considered, Match, Pattern, considered, decide, evaluate
from incidents.correlation.matchers import MatcherRow, matchers_of
from incidents.correlation.rollup import AlertSnapshot, IncidentRollup
from incidents.explain.considered import reasons
from incidents.explain.why import AskedPatterns, Reason, in_words, is_by_hand
from incidents.models import Incident, access
from incidents.models.access import Reader

NEAREST = 5  # incidents to answer for if the person names none
# fmt: off
NEAREST_FIRST = ("outside_window", "full", "incident_resolved", "other_source", "inactive", "filtered_out", "joined", "outranked")
# fmt: on
AROUND = 100  # incidents opened before, and as many opened after, among which the nearest are looked for


@dataclass(frozen=True, slots=True)
class Compared:
    """A tag of a pattern, with the values of the alert and of the incident."""

    name: str
    here: str | None  # on the alert; None if the alert lacks the tag
    there: str | None  # in the incident; None if its alerts lack the tag or differ in it

    @property
    def is_same(self) -> bool:
        return self.here is not None and self.here == self.there


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict of one pattern on an alert and an incident."""

    reason: Reason
    tags: tuple[Compared, ...]
    minutes_outside: int | None = None

    @property
    def same(self) -> int:
        """The number of tags with the same value."""
        return sum(tag.is_same for tag in self.tags)

    def as_data(self) -> dict[str, Any]:
        tags = [{"name": each.name, "alert": each.here, "incident": each.there} for each in self.tags]
        return self.reason.as_data() | {"tags": tags, "minutes_outside": self.minutes_outside}


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer why `alert` did not join `incident`."""

    alert: Alert
    incident: Incident
    where: str  # a sentence that says in which incident the alert is
    in_short: str = ""  # the main reason, in one or two sentences
    verdicts: tuple[Verdict, ...] = ()
    is_together: bool = False
    is_turned: bool = False  # whether alert and incident were exchanged, because only a later alert can join

    @property
    def headline(self) -> str:
        return f"{self.where} {self.in_short}".rstrip()

    def as_data(self) -> dict[str, Any]:
        return {
            "alert": str(self.alert.pk),
            "alert_incident": self.alert.incident_id,
            "incident": self.incident.pk,
            "together": self.is_together,
            "turned": self.is_turned,
            "headline": self.headline,
            "patterns": [verdict.as_data() for verdict in self.verdicts],
        }


@dataclass(frozen=True, slots=True)
class Near:
    """A nearby incident with its answer, and the alert and incident to ask about for the full answer."""

    incident: Incident
    alert: Alert
    other: Incident
    answer: Answer


def ask(alert: Alert, other: Alert | Incident, reader: Reader) -> Answer | None:
    """Return why the two are not together, or None if one of them has no incident. The reader may see both.

    Only a later alert can join. If the other incident was opened after the alert's own incident, the answer is about
    the first alert of the other incident.
    """
    incident = other if isinstance(other, Incident) else other.incident
    own = alert.incident
    if incident is None or own is None:
        return None
    if own == incident:
        return Answer(alert, incident, f"They are together, in incident #{incident.pk}.", is_together=True)
    if incident.pk > own.pk and (first := _first(incident, other)):
        return _answer(first, own, reader, is_turned=True)
    return _answer(alert, incident, reader, is_turned=False)


def _shared(tags: Mapping[str, Any], others: Mapping[str, Any]) -> int:
    """Return the number of tags with the same value."""
    return sum(name in others and others[name] == value for name, value in tags.items())


def nearest(to: Alert | Incident, reader: Reader) -> list[Near]:
    """Return answers for incidents near an alert or an incident, among those that the reader may see.

    Incidents that share most tags come first, then incidents opened next to it.
    """
    home = to if isinstance(to, Incident) else to.incident
    if home is None:
        return []
    tags = to.tags if isinstance(to, Alert) else to.shared_tags
    others = Incident.objects.visible_to(reader).filter(merged_into=None)
    before, after = others.filter(pk__lt=home.pk).order_by("-pk"), others.filter(pk__gt=home.pk).order_by("pk")
    around = [*before[:AROUND], *after[:AROUND]]
    around.sort(key=lambda each: (-_shared(tags, each.shared_tags), abs(each.pk - home.pk)))
    found = []
    for each in around[:NEAREST]:
        alert, other = (to, each) if isinstance(to, Alert) else (_first(each, each), to)
        if alert and (answer := ask(alert, other, reader)):
            found.append(Near(each, alert, other, answer))
    return found


def _first(incident: Incident, other: Alert | Incident) -> Alert | None:
    if isinstance(other, Alert):
        return other
    alerts = incident.alerts.select_related("app_key", "incident").order_by("pk")
    return next((each for each in alerts.filter(pk=incident.first_alert or 0)), alerts.first())


def _answer(alert: Alert, incident: Incident, reader: Reader, *, is_turned: bool) -> Answer:
    rollup = IncidentRollup(incident, matchers_of([incident.pk])[incident.pk])
    then = {each.pattern: each for each in reasons([alert], reader)[alert.pk]}
    asked = {pattern.pk: pattern for pattern in _patterns(then.values())}
    subject = AlertSnapshot.of(alert).subject
    evaluated = evaluate(subject, asked.values())
    matches = tuple(each for each in evaluated if isinstance(each, Match))
    decision = decide(subject, matches, lambda key: _candidates(rollup, key, alert))
    now = considered(evaluated, decision.met)
    pair = _Pair(alert, rollup, then, AskedPatterns.of(now), reader)
    verdicts = tuple(pair.verdict(each, asked[each.pattern]) for each in now)
    where = f"The alert is in #{alert.incident_id}, and not in #{incident.pk}."
    if is_turned:
        where = f"#{alert.incident_id} was opened after #{incident.pk}, so it is its alert “{alert.identifier}” that could have joined."
    return Answer(alert, incident, where, _in_short(verdicts, incident), verdicts, is_turned=is_turned)


def _patterns(then: Iterable[Considered]) -> Sequence[Pattern]:
    """Return the patterns that were active when the alert came, and then all other patterns.

    The former are in their versions of that time.
    """
    active = rules.Versions()([[each.pattern, each.version] for each in then if each.verdict != "inactive"])
    known = {pattern.pk for pattern in active}
    return [*active, *(pattern for pattern in rules.in_force() if pattern.pk not in known)]


def _candidates(rollup: IncidentRollup, key: str, alert: Alert) -> list[Candidate]:
    matcher = rollup.matcher_for(key)
    if matcher is None:
        return []
    is_full = rollup.incident.alerts_count >= settings.ALERTS_PER_INCIDENT
    return [Candidate(rollup.incident.pk, matcher.anchor_at, is_full, not rollup.was_open(alert.started_at))]


def _in_short(verdicts: Sequence[Verdict], incident: Incident) -> str:
    if not verdicts:
        return f"No pattern is there that could have led it to #{incident.pk}."
    if nearest := _nearest(verdicts):
        return f"Nearest was “{nearest.reason.pattern}”. {nearest.reason.sentence}"
    return "No pattern finds the same values in the two."


def _nearest(verdicts: Sequence[Verdict]) -> Verdict | None:
    """Return the verdict of the pattern that came closest.

    A pattern with the same values comes before a pattern with some equal values.
    """

    def closeness(verdict: Verdict) -> tuple[bool, int, int]:
        name = verdict.reason.verdict
        rank = NEAREST_FIRST.index(name) if name in NEAREST_FIRST else len(NEAREST_FIRST)
        return verdict.same == len(verdict.tags), -rank, verdict.same

    return max((each for each in verdicts if each.same), key=closeness, default=None)


@dataclass(frozen=True)
class _Pair:
    """An alert, an incident that the alert is not in, and the verdicts of the time when the alert came."""

    alert: Alert
    rollup: IncidentRollup
    then: Mapping[int, Considered]  # by pattern
    named: AskedPatterns
    reader: Reader

    @property
    def incident(self) -> Incident:
        return self.rollup.incident

    def verdict(self, considered: Considered, pattern: Pattern) -> Verdict:
        """Return the verdict of the time when the alert came if it is about this incident, else the present verdict."""
        then, tags = self.then.get(pattern.pk), self._compared(pattern)
        was_off = then is not None and then.verdict == "inactive" and all(tag.is_same for tag in tags)
        if then and (then.incident == self.incident.pk or was_off):
            considered = then
        outside = _minutes_outside(considered, self.alert)
        sentence = self._sentence(considered, pattern, tags, outside)
        return Verdict(self.named.reason(considered, sentence), tags, outside)

    def _matcher(self, pattern: Pattern) -> MatcherRow | None:
        own = [each for each in self.rollup.matchers if each.pattern_id == pattern.pk]
        return next((each for each in own if each.version == pattern.version), own[0] if own else None)

    def _compared(self, pattern: Pattern) -> tuple[Compared, ...]:
        matcher = self._matcher(pattern)
        there: dict[str, Any] = dict(matcher.values) if matcher else self.incident.shared_tags
        return tuple(Compared(name, _text(self.alert.tags.get(name)), _text(there.get(name))) for name in pattern.tags)

    def _sentence(self, considered: Considered, pattern: Pattern, tags: Sequence[Compared], outside: int | None) -> str:
        number, values = f"#{self.incident.pk}", in_words(considered.values.items())
        match considered.verdict:
            case "outside_window":
                count = f"{outside:,} minute{'' if outside == 1 else 's'}"
                return f"Both have {values}, but the alert started {count} outside the window."
            case "full":
                return f"Both have {values}, but {number} has no room for another alert."
            case "incident_resolved":
                return f"Both have {values}, but {number} was resolved when the alert started."
            case "other_source":
                return f"Both have {values}, but they come from different sources, which this pattern keeps apart."
            case "filtered_out":
                return f"Its filter, {self._filter(considered)}, says no to the alert."
            case "missing_tag":
                return f"The alert has no tag “{considered.missing}”."
            case "inactive":
                off = "was switched off when the alert came" if pattern.pk in self.then else "is switched off"
                if all(tag.is_same for tag in tags):
                    return f"The values are the same, but it {off}."
                return f"It {off}. {self._nothing_shared(considered, tags, self._matcher(pattern))}"
            case "joined" | "outranked":
                return self._led_elsewhere(self.then.get(pattern.pk))
        return self._nothing_shared(considered, tags, self._matcher(pattern))

    def _filter(self, considered: Considered) -> str:
        return self.named.filter(considered.pattern, considered.version)

    def _led_elsewhere(self, then: Considered | None) -> str:
        """Word why the two are apart although the pattern matches both."""
        number, own = f"#{self.incident.pk}", self.alert.incident
        if then and then.verdict == "joined" and then.incident == self.incident.pk:
            return f"It led the alert to {number}, and a person put it into #{self.alert.incident_id}."
        if own and is_by_hand(self.alert, self.then.values(), own):
            return f"It matches both, but a person put the alert into #{own.pk}."
        if then is None:
            return "It matches both, but was not there when the alert came."
        if then.verdict == "outranked":
            return f"It matches both, but a pattern before it led the alert to #{self.alert.incident_id}."
        if then.verdict == "joined":
            led_to = f"#{then.incident}" if then.incident else access.HIDDEN
            return f"It matches both, but led to {led_to}, which was opened later than {number}."
        return f"It matches both now; when the alert came, {number} was not yet as it is."

    def _nothing_shared(self, considered: Considered, tags: Sequence[Compared], matcher: MatcherRow | None) -> str:
        number = f"#{self.incident.pk}"
        differing = [each for each in tags if each.there is not None and not each.is_same]
        if differing:
            words = "; ".join(f"{each.name} is “{each.here}” here and “{each.there}” there" for each in differing)
            return f"{words[:1].upper()}{words[1:]}."
        if matcher is None:
            lacking = [each.name for each in tags if each.there is None]
            if lacking:
                return f"Not every alert of {number} has the same “{'” and “'.join(lacking)}”."
            return f"The values are the same, but {self._opened_without(considered)}"
        if matcher.version != considered.version:
            return f"The values are the same, but {number} was opened under version {matcher.version} of this pattern and keeps that."
        if not matcher.valid:
            return f"The values are the same, but not every alert of {number} shares them any more, so it takes no more by this pattern."
        return f"Nothing leads to {number} by it."

    def _opened_without(self, considered: Considered) -> str:
        """Word why the incident has no matcher of the pattern, although its alerts share the values."""
        number = f"#{self.incident.pk}"
        first, verdicts = self._first
        if first is None and self.incident.first_alert:
            return f"the first alert of {number} is in {access.HIDDEN} now."
        if first is None:
            return f"{number} was made by hand: no pattern leads alerts there."
        verdict = verdicts.get(considered.pattern)
        if verdict and verdict.verdict == "filtered_out":
            return f"its filter, {self._filter(verdict)}, says no to “{first.identifier}”, the first alert of {number}."
        if verdict and verdict.verdict == "missing_tag":
            return f"“{first.identifier}”, the first alert of {number}, had no tag “{verdict.missing}” when it came."
        return f"this pattern was not on when {number} was opened."

    @cached_property
    def _first(self) -> tuple[Alert | None, Mapping[int, Considered]]:
        """The alert that opened the incident, and the verdicts of the time when that alert came."""
        alerts = Alert.objects.visible_to(self.reader).select_related("app_key")
        first = alerts.filter(pk=self.incident.first_alert or 0).first()
        return first, {each.pattern: each for each in reasons([first], self.reader)[first.pk]} if first else {}


def _text(value: str | list[str] | None) -> str | None:
    return shown(value) if value else None


def _minutes_outside(considered: Considered, alert: Alert) -> int | None:
    if considered.verdict != "outside_window" or not considered.window_from or not considered.window_until:
        return None
    outside = max(considered.window_from - alert.started_at, alert.started_at - considered.window_until)
    return -(-outside // timedelta(minutes=1))
