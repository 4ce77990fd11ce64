"""The source systems that a pattern's filter begins with: on the wire a part of it (bigpanda.md §3.1), on the page a choice of integrations."""

from __future__ import annotations

from collections.abc import Sequence

from incidents.bpql import BpqlError, Query, parse
from incidents.bpql.terms import All, AnyOf, Condition, Expression, Kind, Operator, Value

NAMES = ("source", "source_system")


def split(written: str) -> tuple[list[str], str]:
    """The source systems that a filter begins with, and the rest of it; no sources where it does not begin so."""
    try:
        expression = parse(written).expression
    except BpqlError:
        return [], written
    first, rest = (
        (expression.parts[0], expression.parts[1:])
        if isinstance(expression, All) and expression.parts
        else (expression, ())
    )
    if not _names_sources(first):
        return [], written
    remaining: Expression = rest[0] if len(rest) == 1 else All(tuple(rest))
    return [value.text for value in first.values], str(Query(remaining))


def join(sources: Sequence[str], written: str) -> str:
    """A filter that also asks for one of the source systems, where some are named."""
    if not sources:
        return written
    asked = Condition("source_system", Operator.IN, tuple(Value(Kind.PLAIN, source) for source in sources))
    if not written.strip():
        return str(asked)
    is_choice = isinstance(parse(written).expression, AnyOf)
    return f"{asked} AND ({written.strip()})" if is_choice else f"{asked} AND {written.strip()}"


def _names_sources(expression: Expression) -> bool:
    is_asked = isinstance(expression, Condition) and expression.folded_name in NAMES
    return (
        is_asked
        and expression.operator in (Operator.IN, Operator.EQUAL)
        and all(each.kind is Kind.PLAIN for each in expression.values)
    )
