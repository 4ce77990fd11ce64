"""Queries, and the predicate of a query on one alert.

A condition on tags is about one alert: a query finds an incident if at least one alert of the incident matches the
whole query. `===` is about all alerts of the incident. Keywords search comments too. `comment`, `assignee` and
`incident_tag.NAME` are fields of the incident. `incidents.search.conditions` turns the same query into conditions of
the database.
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
    """The properties of an alert that a query can ask about."""

    @property
    def folded(self) -> Mapping[str, Sequence[str]]:
        """The tags of the alert, as `fold_tags` returns them."""

    @property
    def source(self) -> str:
        """The source system of the App Key, such as `api.nagios`."""

    @property
    def status_name(self) -> str:
        """The name of the status, such as `critical`."""


@dataclass(frozen=True)
class Query:
    """A query that was read."""

    expression: Expression

    def __str__(self) -> str:
        """Return the query in its normal form, which has the same meaning."""
        return str(self.expression)

    def as_object(self) -> dict[str, Any]:
        """Return the JSON object form (docs/wire-contract.md §5.4)."""
        return as_object(self.expression)

    @cached_property
    def about_incidents(self) -> Condition | None:
        """The first condition that is about an incident and not about one alert, or None."""
        found = conditions(self.expression)
        return next((each for each in found if isinstance(each, Condition) and is_about_incidents(each)), None)

    @cached_property
    def asks_about_actions(self) -> bool:
        """True if an action can change the answer for an incident whose alerts and tags stay the same."""
        asked = conditions(self.expression)
        return any(
            isinstance(each, Keyword) or each.folded_name == "STATUS" or is_incident_field(each) for each in asked
        )

    @cached_property
    def is_about_one_alert(self) -> bool:
        """True if the query finds an incident exactly when the query matches one of its alerts."""
        found = conditions(self.expression)
        return not any(isinstance(each, Keyword) or is_about_incidents(each) for each in found)

    @cached_property
    def matches(self) -> Callable[[QuerySubject], bool]:
        """The predicate on one alert. Raise BpqlError if the query is about incidents."""
        self.require_alerts()
        return _test(self.expression)

    def require_alerts(self) -> None:
        """Raise BpqlError if the query is about incidents."""
        if condition := self.about_incidents:
            what = "“===”" if condition.operator is Operator.ALL_EQUAL else f"“{condition.name}”"
            raise BpqlError(
                f"{what} is about an incident as a whole, and cannot be asked of one alert.", condition.position
            )


def parse(written: str | dict[str, object]) -> Query:
    """Read a query, as text or in the JSON object form. An empty query finds everything. Raise BpqlError."""
    return _parse(written) if isinstance(written, str) else Query(grammar.read(written))


@lru_cache(maxsize=500)
def _parse(written: str) -> Query:
    return Query(grammar.read(written))


def is_about_incidents(condition: Condition) -> bool:
    """Return whether a condition is about an incident and not about one alert."""
    return condition.operator is Operator.ALL_EQUAL or is_incident_field(condition)


def is_incident_field(condition: Condition) -> bool:
    """Return whether a condition names a field of the incident."""
    return condition.folded_name in INCIDENTS_OWN or condition.folded_name.startswith(INCIDENT_TAG)


# --- the predicate on one alert


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
