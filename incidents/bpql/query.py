"""A query as a predicate on one alert, and as conditions on alerts and on incidents in the database; they agree.

What is said about alerts is said about one: an incident is found where at least one of its alerts matches all of it. `===` asks for all its
alerts; keywords also look at its comments; `comment`, `assignee` and `incident_tag.NAME` are the incident's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import chain
from typing import Any, NamedTuple, Protocol

from django.apps import apps
from django.db.models import Exists, OuterRef, Q, QuerySet

from alerts.events import Status
from alerts.models import Alert
from appkeys.models import AppKey
from incidents.bpql import grammar
from incidents.bpql.database import any_tag_has, tag_is, text_has
from incidents.bpql.errors import BpqlError
from incidents.bpql.terms import (
    All,
    AnyOf,
    Condition,
    Expression,
    Keyword,
    Kind,
    Operator,
    Value,
    as_object,
    conditions,
    fold,
    fold_name,
    joined,
)
from people.models import User

SOURCE = ("SOURCE", "SOURCE_SYSTEM")
INCIDENTS_OWN = ("COMMENT", "ASSIGNEE")
INCIDENT_TAG = "INCIDENT_TAG."
NOBODY: Q = Q(pk__in=[])
FEW = 1000  # incidents that a condition names by their keys


class Subject(Protocol):
    """What a query looks at of one alert."""

    @property
    def folded(self) -> Mapping[str, Sequence[str]]:
        """Its tags, as `fold_tags` gives them."""

    @property
    def source(self) -> str:
        """The source system of its App Key, as in `api.nagios`."""

    @property
    def status(self) -> int: ...


@dataclass(frozen=True)
class Query:
    expression: Expression

    def __str__(self) -> str:
        """The query in its normal form, which means the same."""
        return str(self.expression)

    def as_object(self) -> dict[str, Any]:
        """The JSON object form (bigpanda.md §4.3)."""
        return as_object(self.expression)

    @cached_property
    def about_incidents(self) -> Condition | None:
        """The first condition that only an incident can meet, not an alert by itself."""
        found = conditions(self.expression)
        return next((each for each in found if isinstance(each, Condition) and _is_about_incidents(each)), None)

    @cached_property
    def is_about_deeds(self) -> bool:
        """Whether what people do to an incident can change whether this finds it, while it keeps its alerts and they their tags."""
        asked = conditions(self.expression)
        return any(
            isinstance(each, Keyword) or each.folded_name == "STATUS" or _is_incidents_own(each) for each in asked
        )

    @cached_property
    def is_about_one_alert(self) -> bool:
        """Whether an incident is found exactly where one of its alerts matches."""
        found = conditions(self.expression)
        return not any(isinstance(each, Keyword) or _is_about_incidents(each) for each in found)

    @cached_property
    def matches(self) -> Callable[[Subject], bool]:
        """Whether one alert matches. Raises BpqlError where the query is about incidents."""
        self.require_alerts()
        return _test(self.expression)

    def for_alerts(self) -> Q:
        """For querysets of alerts. Raises BpqlError where the query is about incidents."""
        self.require_alerts()
        return _for_alerts(self.expression)

    def for_incidents(self) -> Q:
        """For querysets of incidents."""
        return _for_incidents(self.expression, _Asked(_has_alert, _has_comment))

    def for_open_incidents(self) -> Q:
        """For querysets of open incidents, the same and quicker where those are many: it is looked for at once what it finds."""
        return _for_incidents(self.expression, _Asked(_open_one_has_alert, _open_one_has_comment))

    def require_alerts(self) -> None:
        if condition := self.about_incidents:
            what = "“===”" if condition.operator is Operator.ALL_EQUAL else f"“{condition.name}”"
            raise BpqlError(
                f"{what} is about an incident as a whole, and cannot be asked of one alert.", condition.position
            )


def parse(written: str | dict[str, object]) -> Query:
    """Read a query, as text or in its JSON object form; an empty one asks for everything. Raises BpqlError."""
    return _parse(written) if isinstance(written, str) else Query(grammar.read(written))


@lru_cache(maxsize=500)
def _parse(written: str) -> Query:
    return Query(grammar.read(written))


def _is_about_incidents(condition: Condition) -> bool:
    return condition.operator is Operator.ALL_EQUAL or _is_incidents_own(condition)


def _is_incidents_own(condition: Condition) -> bool:
    return condition.folded_name in INCIDENTS_OWN or condition.folded_name.startswith(INCIDENT_TAG)


# --- one alert


def _test(expression: Expression) -> Callable[[Subject], bool]:
    match expression:
        case All():
            tests = [_test(part) for part in expression.parts]
            return lambda subject: all(test(subject) for test in tests)
        case AnyOf():
            tests = [_test(part) for part in expression.parts]
            return lambda subject: any(test(subject) for test in tests)
        case Keyword():
            found = expression.value.is_in
            return lambda subject: found(fold(subject.source)) or any(map(found, chain(*subject.folded.values())))
        case Condition():
            wanted, values_of = not expression.operator.is_negative, _values_of(expression.folded_name)
            texts = frozenset(value.folded for value in expression.values if value.kind is Kind.PLAIN)
            others = [value.equals for value in expression.values if value.kind is not Kind.PLAIN]
            if not others:
                return lambda subject: wanted != texts.isdisjoint(values_of(subject))
            return lambda subject: (
                wanted is any(each in texts or any(equals(each) for equals in others) for each in values_of(subject))
            )


def _values_of(name: str) -> Callable[[Subject], Sequence[str]]:
    if name == "STATUS":
        return lambda subject: (Status(subject.status).label,)
    if name in SOURCE:
        return lambda subject: (fold(subject.source),)
    return lambda subject: subject.folded.get(name, ())


# --- the database


def _for_alerts(expression: Expression, alert: str = "") -> Q:
    """For rows that have the search text; `alert` leads from them to the rest of the alert."""
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
    """How an incident is asked for one of its alerts, and for a comment."""

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
        case Condition() if _is_incidents_own(expression):
            found = _any(_incident_is(expression, value, asked) for value in expression.values)
            return ~found if expression.operator.is_negative else found
        case Condition() if expression.operator is Operator.ALL_EQUAL:
            return ~asked.has_alert(lambda alert: ~_for_alerts(expression, alert))
        case Condition():
            return asked.has_alert(partial(_for_alerts, expression))


def _divided(expression: All | AnyOf) -> tuple[list[Expression], list[Expression]]:
    """What one alert must meet together, and what each is asked of the incident."""
    of_incident = [
        any(isinstance(each, Keyword) or _is_about_incidents(each) for each in conditions(part))
        for part in expression.parts
    ]
    parts = list(zip(expression.parts, of_incident, strict=True))
    return [part for part, is_its in parts if not is_its], [part for part, is_its in parts if is_its]


def _has_alert(matching: Callable[[str], Q]) -> Q:
    return Q(Exists(Alert.objects.filter(matching(""), incident=OuterRef("pk"))))


def _open_one_has_alert(matching: Callable[[str], Q]) -> Q:
    """Looked for in the texts of all that is open."""
    texts = apps.get_model("incidents", "SearchText").objects  # whose module may be reading this one
    each = _LookedUp(Alert.objects.filter(matching(""), incident=OuterRef("pk")))
    return _few_or(each, texts.filter(matching("alert__")).values_list("alert__incident", flat=True))


def _open_one_has_comment(value: Value) -> Q:
    return _few_or(_has_comment_like(value), _comments(value).values_list("incident", flat=True))


def _few_or(each: Exists, found: QuerySet[Any, int]) -> Q:
    """The incidents of a search by their keys; where they are many, so that a page of them is found soon, each incident is asked."""
    pks = list(found[: FEW + 1])
    return Q(each) if len(pks) > FEW else Q(pk__in=set(pks))


class _LookedUp(Exists):
    """An EXISTS that PostgreSQL asks for each row, since it has an offset, and does not turn into a search through the whole table."""

    template = "EXISTS(%(subquery)s OFFSET 0)"


def _has_comment(value: Value) -> Q:
    return Q(_has_comment_like(value))


def _has_comment_like(value: Value) -> Exists:
    return Exists(_comments(value).filter(incident=OuterRef("pk")))


def _comments(value: Value) -> QuerySet[Any]:
    activities = apps.get_model("incidents", "Activity")  # whose module may be reading this one
    comments: QuerySet[Any] = activities.objects.filter(text_has("comment", value), kind="incident_commented")
    return comments.order_by()


def _incident_is(condition: Condition, value: Value, asked: _Asked) -> Q:
    if condition.folded_name == "COMMENT":
        return asked.has_comment(value)
    if condition.folded_name == "ASSIGNEE":
        people = [each.pk for each in User.objects.all() if any(map(value.equals, _names(each)))]
        return Q(assignee__in=people)
    return _has_incident_tag(condition.folded_name.removeprefix(INCIDENT_TAG), value)


def _has_incident_tag(name: str, value: Value) -> Q:
    """A tag that people set on the incident, also its priority."""
    if name == "PRIORITY":
        choices = apps.get_model("incidents", "Incident")._meta.get_field("priority").flatchoices
        return Q(priority__in=[number for number, label in choices if value.equals(fold(str(label)))])
    held = apps.get_model("incidents", "IncidentTagValue").objects
    tags = [
        tag for tag, shown in held.values_list("tag", "tag__name").distinct().order_by() if fold_name(shown) == name
    ]
    # Compared here, since databases do not agree on letters' cases: of the lists that are held, most are held often.
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
