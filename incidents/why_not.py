"""Why an alert is not in an incident, or not with another alert: what each pattern says of the two, by the production's own rules.

The patterns are those that the alert was asked, in their versions of then, and those that have been made since. `judge` and `decide`
(incidents.correlation) give the verdicts on the one incident in question; where a pattern leads nowhere near it, the tags are laid side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings

from alerts.events import shown
from alerts.models import Alert
from incidents import rules
from incidents.correlation import Candidate, Considered, Match, Pattern, considered, decide, judge
from incidents.gathering import Gathering, Seen
from incidents.leads import Lead, leads_of
from incidents.models import Incident
from incidents.reasons import reasons
from incidents.why import Reason, Rules, in_words


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

    def as_data(self) -> dict[str, Any]:
        tags = [{"name": each.name, "alert": each.here, "incident": each.there} for each in self.tags]
        return self.reason.as_data() | {"tags": tags, "minutes_outside": self.minutes_outside}


@dataclass(frozen=True, slots=True)
class Answer:
    alert: Alert
    incident: Incident
    headline: str
    verdicts: tuple[Verdict, ...]
    is_together: bool = False

    def as_data(self) -> dict[str, Any]:
        return {
            "alert": str(self.alert.pk),
            "alert_incident": self.alert.incident_id,
            "incident": self.incident.pk,
            "together": self.is_together,
            "headline": self.headline,
            "patterns": [verdict.as_data() for verdict in self.verdicts],
        }


def ask(alert: Alert, other: Alert | Incident) -> Answer | None:
    """Why the two are not together; None where one of them has no incident.

    Who came later could have joined, so where the incident in question was opened after the alert's own, it is its first alert that is asked.
    """
    incident = other if isinstance(other, Incident) else other.incident
    own = alert.incident
    if incident is None or own is None:
        return None
    if own == incident:
        return Answer(alert, incident, f"They are together, in incident #{incident.pk}.", (), is_together=True)
    if incident.pk > own.pk and (first := _first(incident, other)):
        answer = _answer(first, own)
        turned = f"Incident #{incident.pk} was opened later, so its alert “{first.identifier}” is the one that could have joined. "
        return Answer(first, own, turned + answer.headline, answer.verdicts)
    return _answer(alert, incident)


def _first(incident: Incident, other: Alert | Incident) -> Alert | None:
    if isinstance(other, Alert):
        return other
    alerts = incident.alerts.select_related("app_key", "incident").order_by("pk")
    return next((each for each in alerts.filter(pk=incident.first_alert or 0)), alerts.first())


def _answer(alert: Alert, incident: Incident) -> Answer:
    gathering = Gathering(incident, leads_of([incident.pk])[incident.pk])
    told = {each.pattern: each for each in reasons([alert])[alert.pk]}
    asked = _patterns(told.values())
    subject = Seen.of(alert).subject
    judged = judge(subject, asked)
    matches = tuple(each for each in judged if isinstance(each, Match))
    decision = decide(subject, matches, lambda key: _candidates(gathering, key, alert))
    said = considered(judged, decision.met)
    named = Rules.of(said)
    by_pk = {pattern.pk: pattern for pattern in asked}
    verdicts = tuple(
        _verdict(each, by_pk[each.pattern], told.get(each.pattern), alert, gathering, named) for each in said
    )
    return Answer(alert, incident, _headline(alert, incident, verdicts), verdicts)


def _patterns(told: Iterable[Considered]) -> Sequence[Pattern]:
    """Those that the alert was asked, as they were then; then those that there are besides, switched on or not."""
    then = rules.Versions()([[each.pattern, each.version] for each in told if each.verdict != "inactive"])
    known = {pattern.pk for pattern in then}
    return [*then, *(pattern for pattern in rules.in_force() if pattern.pk not in known)]


def _candidates(gathering: Gathering, key: str, alert: Alert) -> list[Candidate]:
    leading = gathering.leading(key)
    if leading is None:
        return []
    is_full = gathering.incident.alerts_count >= settings.ALERTS_PER_INCIDENT
    return [Candidate(gathering.incident.pk, leading.anchor_at, is_full, not gathering.was_open(alert.started_at))]


def _verdict(
    considered: Considered, pattern: Pattern, told: Considered | None, alert: Alert, gathering: Gathering, named: Rules
) -> Verdict:
    """What was said of this very incident when the alert came stands; else what is said of the two now."""
    if told and told.incident == gathering.incident.pk:
        considered = told
    matcher = _matcher(gathering, pattern)
    tags = _compared(pattern, alert, matcher, gathering.incident)
    outside = _minutes_outside(considered, alert)
    sentence = _sentence(considered, tags, outside, told, matcher, alert, gathering)
    return Verdict(named.reason(considered, sentence), tags, outside)


def _matcher(gathering: Gathering, pattern: Pattern) -> Lead | None:
    own = [each for each in gathering.matchers if each.pattern_id == pattern.pk]
    return next((each for each in own if each.version == pattern.version), own[0] if own else None)


def _compared(pattern: Pattern, alert: Alert, matcher: Lead | None, incident: Incident) -> tuple[Compared, ...]:
    there: dict[str, Any] = dict(matcher.values) if matcher else incident.shared_tags
    return tuple(Compared(name, _text(alert.tags.get(name)), _text(there.get(name))) for name in pattern.tags)


def _text(value: str | list[str] | None) -> str | None:
    return shown(value) if value else None


def _minutes_outside(considered: Considered, alert: Alert) -> int | None:
    if considered.verdict != "outside_window" or not considered.window_from or not considered.window_until:
        return None
    outside = max(considered.window_from - alert.started_at, alert.started_at - considered.window_until)
    return -(-outside // timedelta(minutes=1))


def _sentence(
    considered: Considered,
    tags: Sequence[Compared],
    outside: int | None,
    told: Considered | None,
    matcher: Lead | None,
    alert: Alert,
    gathering: Gathering,
) -> str:
    number, values = f"#{gathering.incident.pk}", in_words(considered.values.items())
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
            return "Its filter says no to the alert."
        case "missing_tag":
            return f"The alert has no tag “{considered.missing}”."
        case "inactive":
            return f"It is switched off. The alert has {values}."
        case "joined" | "outranked":
            return _led_elsewhere(told, alert, number)
    return _nothing_shared(tags, matcher, considered, gathering.incident)


def _led_elsewhere(told: Considered | None, alert: Alert, number: str) -> str:
    """It matches both, and yet they are apart."""
    if alert.decision is None:
        return f"It matches both, but a person put the alert into #{alert.incident_id}."
    if told is None:
        return "It matches both, but was not there, or switched off, when the alert came."
    if told.verdict == "outranked":
        return f"It matches both, but a pattern before it led the alert to #{alert.incident_id}."
    if told.verdict == "joined":
        return f"It matches both, but led to #{told.incident}, which was opened later than {number}."
    return f"It matches both now; when the alert came, {number} was not yet as it is."


def _nothing_shared(tags: Sequence[Compared], matcher: Lead | None, considered: Considered, incident: Incident) -> str:
    number = f"#{incident.pk}"
    differing = [each for each in tags if each.there is not None and not each.is_same]
    if differing:
        words = "; ".join(f"{each.name} is “{each.here}” here and “{each.there}” there" for each in differing)
        return f"{words[:1].upper()}{words[1:]}."
    if matcher is None:
        lacking = [each.name for each in tags if each.there is None]
        if lacking:
            return f"Not every alert of {number} has the same “{'” and “'.join(lacking)}”."
        return f"The values are the same, but {number} was opened without this pattern: it was not there then, switched off, or its filter said no."
    if matcher.version != considered.version:
        return f"The values are the same, but {number} was opened under version {matcher.version} of this pattern and keeps that."
    if not matcher.valid:
        return f"The values are the same, but not every alert of {number} shares them any more, so it takes no more by this pattern."
    return f"Nothing leads to {number} by it."


def _headline(alert: Alert, incident: Incident, verdicts: Sequence[Verdict]) -> str:
    where = f"The alert is in #{alert.incident_id}"
    if not verdicts:
        return f"{where}: no pattern is there that could have led it to #{incident.pk}."
    order = (
        "outside_window",
        "full",
        "incident_resolved",
        "other_source",
        "inactive",
        "filtered_out",
        "joined",
        "outranked",
    )
    nearest = next((each for name in order for each in verdicts if each.reason.verdict == name), None)
    if nearest is None:
        return f"{where}: no pattern finds the same values in it and in #{incident.pk}."
    return f"{where}, and not in #{incident.pk}. Nearest was “{nearest.reason.pattern}”. {nearest.reason.sentence}"
