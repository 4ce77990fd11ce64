"""Queries as conditions on alerts and on incidents in the database.

`bpql.query` has the same queries as predicates on one alert.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet

from alerts.events import Status
from alerts.models import Alert
from appkeys.models import AppKey
from bpql import Query
from bpql.query import INCIDENT_TAG, SOURCE, is_about_incidents, is_incident_field
from bpql.terms import All, AnyOf, Condition, Expression, Keyword, Operator, Value, conditions, fold, fold_name, joined
from incidents.models import Activity, IncidentTagValue, Priority, SearchText
from incidents.search.lookups import any_tag_has, tag_is, text_has
from people.models import User

NOBODY: Q = Q(pk__in=[])
FEW = 1000  # incidents that a condition names by their keys


def for_alerts(query: Query) -> Q:
    """Return the condition for querysets of alerts. Raise BpqlError where the query is about incidents."""
    query.require_alerts()
    return _for_alerts(query.expression)


def for_incidents(query: Query) -> Q:
    """Return the condition for querysets of incidents."""
    return _for_incidents(query.expression, _Asked(_has_alert, _has_comment))


def for_open_incidents(query: Query) -> Q:
    """Return the condition for querysets of open incidents.

    It finds what `for_incidents` finds. It is faster where many incidents are open, because it searches the texts of
    open incidents first.
    """
    return _for_incidents(query.expression, _Asked(_open_one_has_alert, _open_one_has_comment))


def _for_alerts(expression: Expression, alert: str = "") -> Q:
    """Return the condition for rows that have a search text. `alert` is the path from a row to its alert."""
    match expression:
        case All():
            return _all(_for_alerts(part, alert) for part in expression.parts)
        case AnyOf():
            return _any(_for_alerts(part, alert) for part in expression.parts)
        case Keyword():
            return any_tag_has(expression.value) | _came_by(_app_keys(expression.value.is_in), alert)
        case Condition():
            found = _any(_alert_is(expression.folded_name, value, alert) for value in expression.values)
            return ~found if expression.operator.is_negative else found


def _alert_is(name: str, value: Value, alert: str) -> Q:
    if name == "STATUS":
        return Q(**{f"{alert}status__in": [status.value for status in Status if value.equals(status.label)]})
    if name in SOURCE:
        return _came_by(_app_keys(value.equals), alert)
    return tag_is(name, value)


def _came_by(app_keys: list[int], alert: str) -> Q:
    return Q(**{f"{alert}app_key__in": app_keys})


class _Asked(NamedTuple):
    """The two subqueries of a condition on incidents: for an alert, and for a comment."""

    has_alert: Callable[[Callable[[str], Q]], Q]
    has_comment: Callable[[Value], Q]


def _for_incidents(expression: Expression, asked: _Asked) -> Q:
    match expression:
        case All() | AnyOf():
            kind, combined = (All, _all) if isinstance(expression, All) else (AnyOf, _any)
            together, others = _divided(expression)
            one = joined(kind, together) if together else None
            of_one_alert = [asked.has_alert(partial(_for_alerts, one))] if one else []
            return combined([*of_one_alert, *(_for_incidents(part, asked) for part in others)])
        case Keyword():
            return asked.has_alert(partial(_for_alerts, expression)) | asked.has_comment(expression.value)
        case Condition() if is_incident_field(expression):
            found = _any(_incident_is(expression, value, asked) for value in expression.values)
            return ~found if expression.operator.is_negative else found
        case Condition() if expression.operator is Operator.ALL_EQUAL:
            return ~asked.has_alert(lambda alert: ~_for_alerts(expression, alert))
        case Condition():
            return asked.has_alert(partial(_for_alerts, expression))


def _divided(expression: All | AnyOf) -> tuple[list[Expression], list[Expression]]:
    """Divide an expression into the parts that one alert must meet together, and the parts about the incident."""
    of_incident = [
        any(isinstance(each, Keyword) or is_about_incidents(each) for each in conditions(part))
        for part in expression.parts
    ]
    parts = list(zip(expression.parts, of_incident, strict=True))
    return [part for part, is_its in parts if not is_its], [part for part, is_its in parts if is_its]


def _has_alert(matching: Callable[[str], Q]) -> Q:
    return Q(Exists(Alert.objects.filter(matching(""), incident=OuterRef("pk"))))


def _open_one_has_alert(matching: Callable[[str], Q]) -> Q:
    """Search the texts of open incidents first."""
    each = _LookedUp(Alert.objects.filter(matching(""), incident=OuterRef("pk")))
    return _few_or(each, SearchText.objects.filter(matching("alert__")).values_list("alert__incident", flat=True))


def _open_one_has_comment(value: Value) -> Q:
    return _few_or(_has_comment_like(value), _comments(value).values_list("incident", flat=True))


def _few_or(each: Exists, found: QuerySet[Any, int]) -> Q:
    """Return a condition that names the found incidents by key, or the condition for each incident if many were found.

    A page of many incidents is found soonest by checking incident after incident.
    """
    pks = list(found[: FEW + 1])
    return Q(each) if len(pks) > FEW else Q(pk__in=set(pks))


class _LookedUp(Exists):
    """An EXISTS that PostgreSQL evaluates for each row.

    The offset keeps PostgreSQL from turning the condition into a search through the whole table.
    """

    template = "EXISTS(%(subquery)s OFFSET 0)"


def _has_comment(value: Value) -> Q:
    return Q(_has_comment_like(value))


def _has_comment_like(value: Value) -> Exists:
    return Exists(_comments(value).filter(incident=OuterRef("pk")))


def _comments(value: Value) -> QuerySet[Any]:
    comments: QuerySet[Any] = Activity.objects.filter(text_has("comment", value), kind=Activity.Kind.COMMENTED)
    return comments.order_by()


def _incident_is(condition: Condition, value: Value, asked: _Asked) -> Q:
    if condition.folded_name == "COMMENT":
        return asked.has_comment(value)
    if condition.folded_name == "ASSIGNEE":
        people = [each.pk for each in User.objects.all() if any(map(value.equals, _names(each)))]
        return Q(assignee__in=people)
    return _has_incident_tag(condition.folded_name.removeprefix(INCIDENT_TAG), value)


def _has_incident_tag(name: str, value: Value) -> Q:
    """Return the condition on an incident tag, or on the priority."""
    if name == "PRIORITY":
        choices = Priority.choices
        return Q(priority__in=[number for number, label in choices if value.equals(fold(str(label)))])
    held = IncidentTagValue.objects
    tags = [
        tag for tag, shown in held.values_list("tag", "tag__name").distinct().order_by() if fold_name(shown) == name
    ]
    # Compared in Python, because databases disagree on the case of letters. The number of different lists is small.
    lists = held.filter(tag__in=tags).order_by().values_list("values", flat=True).distinct()
    found = [each for each in lists if any(value.equals(fold(text)) for text in each)]
    return Q(Exists(held.filter(tag__in=tags, values__in=found, incident=OuterRef("pk"))))


def _names(user: User) -> list[str]:
    return [fold(name) for name in (user.username, user.get_full_name(), user.email) if name]


def _app_keys(matching: Callable[[str], bool]) -> list[int]:
    sources = AppKey.objects.values_list("pk", "source_system")
    return [pk for pk, source in sources if matching(fold(source))]


def _all(parts: Iterable[Q]) -> Q:
    found = Q()
    for part in parts:
        found &= part
    return found


def _any(parts: Iterable[Q]) -> Q:
    found = NOBODY
    for part in parts:
        found |= part
    return found
