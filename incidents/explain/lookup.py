"""The alert or incident that a person names by a number, a link or a search."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.http import Http404

import bpql
from alerts.models import Alert
from db import time_limit
from incidents.explain import why_not
from incidents.models import Incident
from incidents.search import conditions
from people.models import User

CHOICES = 10
LONGEST_INCIDENT_NUMBER = 12  # digits; the number of an alert has more
_LINK = re.compile(r"/(incidents|alerts)/(\d{1,19})\b")
_NUMBER = re.compile(r"#?(\d{1,19})")


@dataclass(frozen=True, slots=True)
class Picked:
    """The alert or incident that a text stands for, or the choices if there are several."""

    text: str
    found: Alert | Incident | None = None
    choices: tuple[tuple[str, Alert | Incident], ...] = ()  # each with the text that picks it
    problem: str = ""


def answer_for(alert: str, other: str, user: User) -> dict[str, Any]:
    """Return the answer why two are not together, as data.

    Raises Http404 with the reason if one of them is not found.
    """
    picked, against = pick(alert, user, only_alerts=True), pick(other, user)
    for name, each in (("alert", picked), ("other", against)):
        if each.found is None:
            raise Http404(f"{name}: {each.problem or 'name one, by its number'}")
    # For the type checker, which does not follow the loop.
    assert isinstance(picked.found, Alert) and against.found  # noqa: S101, PT018
    answer = why_not.ask(picked.found, against.found, user)
    if answer is None:
        raise Http404("One of the two is in no incident yet.")
    return answer.as_data()


def pick(text: str, user: User, *, only_alerts: bool = False) -> Picked:
    """Return the alert or incident with a number or link, or those that a search finds."""
    text = text.strip()
    if not text:
        return Picked(text)
    named = _LINK.search(text) or _NUMBER.fullmatch(text)
    if named:
        digits = named.groups()[-1]
        is_incident = named.group(1) == "incidents" or (
            named.group(1) != "alerts" and len(digits) <= LONGEST_INCIDENT_NUMBER
        )
        return _by_number(text, int(digits), user, is_incident=is_incident, only_alerts=only_alerts)
    return _by_search(text, user, only_alerts=only_alerts)


def _by_number(text: str, pk: int, user: User, *, is_incident: bool, only_alerts: bool) -> Picked:
    if not is_incident:
        alert = visible_alerts(user).filter(pk=pk).first()
        return Picked(text, alert) if alert else Picked(text, problem=f"There is no alert {pk}.")
    incident = Incident.objects.visible_to(user).filter(pk=pk).first()
    if incident is None:
        return Picked(text, problem=f"There is no incident #{pk}.")
    if not only_alerts:
        return Picked(text, incident)
    alerts = list(visible_alerts(user).filter(incident=incident).order_by("pk")[:CHOICES])
    if len(alerts) == 1:
        return Picked(text, alerts[0])
    return Picked(text, choices=tuple((str(each.pk), each) for each in alerts))


def _by_search(text: str, user: User, *, only_alerts: bool) -> Picked:
    found: list[Alert | Incident]
    try:
        query = bpql.parse(text)
        with time_limit.limited():
            if only_alerts:
                alerts = visible_alerts(user).filter(conditions.for_alerts(query))
                found = list(alerts.order_by("-pk")[:CHOICES])
            else:
                incidents = Incident.objects.visible_to(user).filter(conditions.for_incidents(query))
                found = list(incidents.order_by("-pk")[:CHOICES])
    except bpql.BpqlError as error:
        return Picked(text, problem=str(error))
    if len(found) == 1:
        return Picked(text, found[0])
    if not found:
        return Picked(text, problem="Nothing is found by this.")
    return Picked(text, choices=tuple((str(each.pk), each) for each in found))


def visible_alerts(user: User) -> Any:
    """Return a queryset of the alerts in incidents that a user may see."""
    return Alert.objects.visible_to(user).select_related("app_key", "incident").filter(incident__isnull=False)
