"""Why an alert is not in an incident, or not with another alert: what each pattern says of the two, by the production's own rules.

The patterns are those that the alert was asked, in their versions of then, and those that have been made since. `judge` and `decide`
(incidents.correlation.decide) give the verdicts on the one incident in question. Where no pattern leads to it, the tags are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from alerts.events import shown
from alerts.models import Alert
from incidents.correlation import rules
from incidents.correlation.decide import Candidate, Considered, Match, Pattern, considered, decide, judge
from incidents.correlation.matchers import MatcherRow, matchers_of
from incidents.correlation.rollup import AlertSnapshot, IncidentRollup
from incidents.explain.considered import reasons
from incidents.explain.why import Reason, Rules, in_words, is_by_hand
from incidents.models import Incident

NEAREST = 5  # incidents that are answered for where none is named
# fmt: off
NEAREST_FIRST = ("outside_window", "full", "incident_resolved", "other_source", "inactive", "filtered_out", "joined", "outranked")
# fmt: on
AROUND = 100  # opened before it, and as many after, among which they are looked for


@dataclass(frozen=True, slots=True)
class Compared:
    """One tag of a pattern: its value on the alert, and in the incident; None where it is not there, or where its alerts differ."""

    name: str
    here: str | None
    there: str | None

    @property
    def is_same(self) -> bool:
        return self.here is not None and self.here == self.there


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one pattern says of the two."""

    reason: Reason
    tags: tuple[Compared, ...]
    minutes_outside: int | None = None

    @property
    def same(self) -> int:
        """How many tags are."""
        return sum(tag.is_same for tag in self.tags)

    def as_data(self) -> dict[str, Any]:
        tags = [{"name": each.name, "alert": each.here, "incident": each.there} for each in self.tags]
        return self.reason.as_data() | {"tags": tags, "minutes_outside": self.minutes_outside}


@dataclass(frozen=True, slots=True)
class Answer:
    """Why `alert` did not come into `incident`: where it is, and in short what kept it."""

    alert: Alert
    incident: Incident
    where: str
    in_short: str = ""
    verdicts: tuple[Verdict, ...] = ()
    is_together: bool = False
    is_turned: bool = False  # it was asked the other way round, since this incident was opened first

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
    """An incident around what was asked about, with the answer for the two, and who is to be asked for all of it."""

    incident: Incident
    alert: Alert
    other: Incident
    answer: Answer


def ask(alert: Alert, other: Alert | Incident) -> Answer | None:
    """Why the two are not together; None where one of them has no incident.

    Who came later could have joined, so where the incident in question was opened after the alert's own, it is its first alert that is asked.
    """
    incident = other if isinstance(other, Incident) else other.incident
    own = alert.incident
    if incident is None or own is None:
        return None
    if own == incident:
        return Answer(alert, incident, f"They are together, in incident #{incident.pk}.", is_together=True)
    if incident.pk > own.pk and (first := _first(incident, other)):
        return _answer(first, own, is_turned=True)
    return _answer(alert, incident, is_turned=False)


def _shared(tags: Mapping[str, Any], others: Mapping[str, Any]) -> int:
    """How many tags are the same."""
    return sum(name in others and others[name] == value for name, value in tags.items())


def nearest(to: Alert | Incident, among: QuerySet[Incident]) -> list[Near]:
    """Answers for the incidents around an alert, or around another incident: those that share the most with it, then those opened next to it."""
    home = to if isinstance(to, Incident) else to.incident
    if home is None:
        return []
    tags = to.tags if isinstance(to, Alert) else to.shared_tags
    others = among.filter(merged_into=None)
    before, after = others.filter(pk__lt=home.pk).order_by("-pk"), others.filter(pk__gt=home.pk).order_by("pk")
    around = [*before[:AROUND], *after[:AROUND]]
    around.sort(key=lambda each: (-_shared(tags, each.shared_tags), abs(each.pk - home.pk)))
    found = []
    for each in around[:NEAREST]:
        alert, other = (to, each) if isinstance(to, Alert) else (_first(each, each), to)
        if alert and (answer := ask(alert, other)):
            found.append(Near(each, alert, other, answer))
    return found


def _first(incident: Incident, other: Alert | Incident) -> Alert | None:
    if isinstance(other, Alert):
        return other
    alerts = incident.alerts.select_related("app_key", "incident").order_by("pk")
    return next((each for each in alerts.filter(pk=incident.first_alert or 0)), alerts.first())


def _answer(alert: Alert, incident: Incident, *, is_turned: bool) -> Answer:
    rollup = IncidentRollup(incident, matchers_of([incident.pk])[incident.pk])
    told = {each.pattern: each for each in reasons([alert])[alert.pk]}
    asked = {pattern.pk: pattern for pattern in _patterns(told.values())}
    subject = AlertSnapshot.of(alert).subject
    judged = judge(subject, asked.values())
    matches = tuple(each for each in judged if isinstance(each, Match))
    decision = decide(subject, matches, lambda key: _candidates(rollup, key, alert))
    said = considered(judged, decision.met)
    pair = _Pair(alert, rollup, told, Rules.of(said))
    verdicts = tuple(pair.verdict(each, asked[each.pattern]) for each in said)
    where = f"The alert is in #{alert.incident_id}, and not in #{incident.pk}."
    if is_turned:
        where = f"#{alert.incident_id} was opened after #{incident.pk}, so it is its alert “{alert.identifier}” that could have joined."
    return Answer(alert, incident, where, _in_short(verdicts, incident), verdicts, is_turned=is_turned)


def _patterns(told: Iterable[Considered]) -> Sequence[Pattern]:
    """Those that the alert was asked, as they were then; then those that there are besides, switched on or not."""
    then = rules.Versions()([[each.pattern, each.version] for each in told if each.verdict != "inactive"])
    known = {pattern.pk for pattern in then}
    return [*then, *(pattern for pattern in rules.in_force() if pattern.pk not in known)]


def _candidates(rollup: IncidentRollup, key: str, alert: Alert) -> list[Candidate]:
    leading = rollup.leading(key)
    if leading is None:
        return []
    is_full = rollup.incident.alerts_count >= settings.ALERTS_PER_INCIDENT
    return [Candidate(rollup.incident.pk, leading.anchor_at, is_full, not rollup.was_open(alert.started_at))]


def _in_short(verdicts: Sequence[Verdict], incident: Incident) -> str:
    if not verdicts:
        return f"No pattern is there that could have led it to #{incident.pk}."
    if nearest := _nearest(verdicts):
        return f"Nearest was “{nearest.reason.pattern}”. {nearest.reason.sentence}"
    return "No pattern finds the same values in the two."


def _nearest(verdicts: Sequence[Verdict]) -> Verdict | None:
    """The pattern that came closest: it found the same values, or else at least some of them."""

    def closeness(verdict: Verdict) -> tuple[bool, int, int]:
        said = verdict.reason.verdict
        rank = NEAREST_FIRST.index(said) if said in NEAREST_FIRST else len(NEAREST_FIRST)
        return verdict.same == len(verdict.tags), -rank, verdict.same

    return max((each for each in verdicts if each.same), key=closeness, default=None)


@dataclass(frozen=True)
class _Pair:
    """An alert and an incident that it is not in, and what patterns said of the alert when it came."""

    alert: Alert
    rollup: IncidentRollup
    told: Mapping[int, Considered]  # by pattern
    named: Rules

    @property
    def incident(self) -> Incident:
        return self.rollup.incident

    def verdict(self, considered: Considered, pattern: Pattern) -> Verdict:
        """What was said of this very incident when the alert came stands; else what is said of the two now."""
        told, tags = self.told.get(pattern.pk), self._compared(pattern)
        was_off = told is not None and told.verdict == "inactive" and all(tag.is_same for tag in tags)
        if told and (told.incident == self.incident.pk or was_off):
            considered = told
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
                off = "was switched off when the alert came" if pattern.pk in self.told else "is switched off"
                if all(tag.is_same for tag in tags):
                    return f"The values are the same, but it {off}."
                return f"It {off}. {self._nothing_shared(considered, tags, self._matcher(pattern))}"
            case "joined" | "outranked":
                return self._led_elsewhere(self.told.get(pattern.pk))
        return self._nothing_shared(considered, tags, self._matcher(pattern))

    def _filter(self, considered: Considered) -> str:
        return self.named.filter(considered.pattern, considered.version)

    def _led_elsewhere(self, told: Considered | None) -> str:
        """It matches both, and yet they are apart."""
        number, own = f"#{self.incident.pk}", self.alert.incident
        if told and told.verdict == "joined" and told.incident == self.incident.pk:
            return f"It led the alert to {number}, and a person put it into #{self.alert.incident_id}."
        if own and is_by_hand(self.alert, self.told.values(), own):
            return f"It matches both, but a person put the alert into #{own.pk}."
        if told is None:
            return "It matches both, but was not there when the alert came."
        if told.verdict == "outranked":
            return f"It matches both, but a pattern before it led the alert to #{self.alert.incident_id}."
        if told.verdict == "joined":
            return f"It matches both, but led to #{told.incident}, which was opened later than {number}."
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
        """Why the incident has no matcher of the pattern, although its alerts share the values."""
        number = f"#{self.incident.pk}"
        first, told = self._first
        if first is None:
            return f"{number} was made by hand: no pattern leads alerts there."
        said = told.get(considered.pattern)
        if said and said.verdict == "filtered_out":
            return f"its filter, {self._filter(said)}, says no to “{first.identifier}”, the first alert of {number}."
        if said and said.verdict == "missing_tag":
            return f"“{first.identifier}”, the first alert of {number}, had no tag “{said.missing}” when it came."
        return f"this pattern was not on when {number} was opened."

    @cached_property
    def _first(self) -> tuple[Alert | None, Mapping[int, Considered]]:
        """The alert that opened the incident, and what patterns said of it when it came."""
        first = Alert.objects.select_related("app_key").filter(pk=self.incident.first_alert or 0).first()
        return first, {each.pattern: each for each in reasons([first])[first.pk]} if first else {}


def _text(value: str | list[str] | None) -> str | None:
    return shown(value) if value else None


def _minutes_outside(considered: Considered, alert: Alert) -> int | None:
    if considered.verdict != "outside_window" or not considered.window_from or not considered.window_until:
        return None
    outside = max(considered.window_from - alert.started_at, alert.started_at - considered.window_until)
    return -(-outside // timedelta(minutes=1))
