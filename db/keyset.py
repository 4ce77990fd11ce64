"""Paging by key: a page begins after a row, so that each page costs the same and no row is skipped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Field, Model, Q, QuerySet

Row = TypeVar("Row", bound=Model)
SEPARATOR = "~"


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    rows: list[Row]
    next_key: str  # the key after which the next page begins; empty on the last page
    is_first: bool


def page_after(queryset: QuerySet[Row], key: str, *, size: int) -> Page[Row]:
    """Return the rows after a key, in the order of the queryset. All its fields descend, or all ascend.

    An unreadable key returns the first page.
    """
    order = queryset.query.order_by
    fields = [_field(queryset, name) for name in order]
    values = _read(key, fields)
    if values:
        queryset = queryset.filter(_after(fields, values, "lt" if str(order[0]).startswith("-") else "gt"))
    rows = list(queryset[: size + 1])
    more = len(rows) > size
    return Page(rows[:size], _written(rows[size - 1], fields) if more else "", is_first=not values)


def _field(queryset: QuerySet[Any], ordering: Any) -> Field[Any, Any]:
    name = str(ordering).removeprefix("-")
    meta = queryset.model._meta
    field: Field[Any, Any] = meta.pk if name == "pk" else meta.get_field(name)
    return field


def _written(row: Model, fields: list[Field[Any, Any]]) -> str:
    values = (getattr(row, field.attname) for field in fields)
    return SEPARATOR.join(
        value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value) for value in values
    )


def _read(key: str, fields: list[Field[Any, Any]]) -> list[Any]:
    texts = key.split(SEPARATOR)
    if len(texts) != len(fields):
        return []
    try:
        values = [field.to_python(text) for field, text in zip(fields, texts, strict=True)]
    except (ValidationError, ValueError, OverflowError):
        return []
    return (
        []
        if any(value is None or (isinstance(value, datetime) and value.tzinfo is None) for value in values)
        else values
    )


def _after(fields: list[Field[Any, Any]], values: list[Any], beyond: str) -> Q:
    """Return the condition `(a, b, c) < (x, y, z)`, or `>`. The leading term lets the database use an index."""
    names = [field.name for field in fields]
    later = Q(pk__in=[])
    for place, name in enumerate(names):
        same = dict(zip(names[:place], values[:place], strict=True))
        later |= Q(**same, **{f"{name}__{beyond}": values[place]})
    return Q(**{f"{names[0]}__{beyond}e": values[0]}) & later
