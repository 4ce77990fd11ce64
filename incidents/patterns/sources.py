"""Source systems of a pattern.

On the wire, source systems are a part of the filter (docs/wire-contract.md §4.1). On the page, people choose
integrations.
"""

from __future__ import annotations

from collections.abc import Sequence

from bpql import BpqlError, parse
from bpql.query import SOURCE
from bpql.terms import All, AnyOf, Condition, Operator, Value, ValueKind


def split(written: str) -> tuple[list[str], str]:
    """Return the source systems that a filter begins with, and the rest of the filter."""
    try:
        expression = parse(written).expression
    except BpqlError:
        return [], written
    match expression:
        case All((Condition() as first, *rest)) if _names_sources(first):
            remaining = rest[0] if len(rest) == 1 else All(tuple(rest))
            return _texts(first), str(remaining)
        case Condition() if _names_sources(expression):
            return _texts(expression), ""
    return [], written


def join(sources: Sequence[str], written: str) -> str:
    """Return a filter that begins with a choice of source systems, if any are given."""
    if not sources:
        return written
    asked = Condition("source_system", Operator.IN, tuple(Value(ValueKind.PLAIN, source) for source in sources))
    if not written.strip():
        return str(asked)
    is_choice = isinstance(parse(written).expression, AnyOf)
    return f"{asked} AND ({written.strip()})" if is_choice else f"{asked} AND {written.strip()}"


def _names_sources(condition: Condition) -> bool:
    is_choice = condition.folded_name in SOURCE and condition.operator in (Operator.IN, Operator.EQUAL)
    return is_choice and all(value.kind is ValueKind.PLAIN for value in condition.values)


def _texts(condition: Condition) -> list[str]:
    return [value.text for value in condition.values]
