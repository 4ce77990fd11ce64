"""Queries, and a query as a predicate on one alert. `incidents.search.conditions` turns the same query into conditions of the database.

A condition on tags is about one alert: a query finds an incident where at least one of its alerts matches the whole query. `===` asks about
all alerts of the incident. Keywords also search its comments. `comment`, `assignee` and `incident_tag.NAME` are fields of the incident.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain
from typing import Any, Protocol

from bpql import grammar
from bpql.errors import BpqlError
from bpql.terms import All, AnyOf, Condition, Expression, Keyword, Operator, ValueKind, as_object, conditions, fold

SOURCE = ("SOURCE", "SOURCE_SYSTEM")
INCIDENTS_OWN = ("COMMENT", "ASSIGNEE")
INCIDENT_TAG = "INCIDENT_TAG."


class QuerySubject(Protocol):
    """What a query looks at of one alert."""

    @property
    def folded(self) -> Mapping[str, Sequence[str]]:
        """Its tags, as `fold_tags` gives them."""

    @property
    def source(self) -> str:
        """The source system of its App Key, as in `api.nagios`."""

    @property
    def status_name(self) -> str:
        """The status in words, as in `critical`."""


@dataclass(frozen=True)
class Query:
    expression: Expression

    def __str__(self) -> str:
        """The query in its normal form, which means the same."""
        return str(self.expression)

    def as_object(self) -> dict[str, Any]:
        """The JSON object form (docs/wire-contract.md §5.4)."""
        return as_object(self.expression)

    @cached_property
    def about_incidents(self) -> Condition | None:
        """The first condition that only an incident can meet, not an alert by itself."""
        found = conditions(self.expression)
        return next((each for each in found if isinstance(each, Condition) and is_about_incidents(each)), None)

    @cached_property
    def asks_about_actions(self) -> bool:
        """Whether what people do to an incident can change whether this finds it, while it keeps its alerts and they their tags."""
        asked = conditions(self.expression)
        return any(
            isinstance(each, Keyword) or each.folded_name == "STATUS" or is_incident_field(each) for each in asked
        )

    @cached_property
    def is_about_one_alert(self) -> bool:
        """Whether an incident is found exactly where one of its alerts matches."""
        found = conditions(self.expression)
        return not any(isinstance(each, Keyword) or is_about_incidents(each) for each in found)

    @cached_property
    def matches(self) -> Callable[[QuerySubject], bool]:
        """Whether one alert matches. Raises BpqlError where the query is about incidents."""
        self.require_alerts()
        return _test(self.expression)

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


def is_about_incidents(condition: Condition) -> bool:
    return condition.operator is Operator.ALL_EQUAL or is_incident_field(condition)


def is_incident_field(condition: Condition) -> bool:
    return condition.folded_name in INCIDENTS_OWN or condition.folded_name.startswith(INCIDENT_TAG)


# --- one alert


def _test(expression: Expression) -> Callable[[QuerySubject], bool]:
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
            texts = frozenset(value.folded for value in expression.values if value.kind is ValueKind.PLAIN)
            others = [value.equals for value in expression.values if value.kind is not ValueKind.PLAIN]
            if not others:
                return lambda subject: wanted != texts.isdisjoint(values_of(subject))
            return lambda subject: (
                wanted is any(each in texts or any(equals(each) for equals in others) for each in values_of(subject))
            )


def _values_of(name: str) -> Callable[[QuerySubject], Sequence[str]]:
    if name == "STATUS":
        return lambda subject: (subject.status_name,)
    if name in SOURCE:
        return lambda subject: (fold(subject.source),)
    return lambda subject: subject.folded.get(name, ())
