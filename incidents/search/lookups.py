"""Conditions on texts, for both databases.

PostgreSQL uses its own regular expressions. On SQLite, `bpql.regex` is a function of SQL.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, F, Func, Q

from bpql import regex
from bpql.regex import SEPARATOR, SIGN
from bpql.terms import Value, ValueKind, fold


def tag_is(name: str, value: Value) -> Q:
    """Return the condition that a tag has a value. `name` is the folded name of the tag."""
    begin = f"{SEPARATOR}{name}{SIGN}"
    if value.kind is ValueKind.PLAIN:
        return Q(_Has(f"{begin}{value.folded}{SEPARATOR}"))
    if value.prefix is not None:
        return Q(_Has(begin + value.prefix))
    return _narrowed(value, Q(_TagFinds(value, name)))


def any_tag_has(value: Value) -> Q:
    """Return the condition that the value of any tag contains a value of a query."""
    if value.kind is ValueKind.PLAIN and value.folded.upper() != value.folded:
        return Q(_Has(value.folded))
    return _narrowed(value, Q(_TagFinds(value, None)))


def _narrowed(value: Value, found: Q) -> Q:
    """Add the longest literal text of a value to a condition.

    A literal text is found much faster than a regular expression, which then has few alerts left.
    """
    return Q(_Has(value.longest_piece)) & found if value.longest_piece else found


def text_has(column: str, value: Value) -> Q:
    """Return the condition that a column contains a value of a query, whatever the case of letters."""
    return Q(_TextFinds(F(column), value))


class _Has(Func):
    """True if the search text contains a text. The case of letters counts."""

    output_field = BooleanField()

    def __init__(self, text: str) -> None:
        super().__init__(F("search_text"))
        self.text = text

    def as_postgresql(self, compiler: Any, connection: BaseDatabaseWrapper, **_: Any) -> tuple[str, list[Any]]:
        # PostgreSQL estimates the rows that LIKE leaves, and chooses between index and scan. strpos() has no estimate.
        sql, parameters = compiler.compile(self.source_expressions[0])
        return f"({sql} LIKE %s)", [*parameters, f"%{connection.ops.prep_for_like_query(self.text)}%"]

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, Any]:
        sql, parameters = compiler.compile(self.source_expressions[0])
        return f"(instr({sql}, %s) > 0)", [*parameters, self.text]


class _TagFinds(Func):
    """True if the value of a tag, or of any tag, contains a match."""

    output_field = BooleanField()

    def __init__(self, value: Value, name: str | None) -> None:
        super().__init__(F("search_text"))
        self.value, self.name = value, name

    def as_postgresql(self, compiler: Any, connection: BaseDatabaseWrapper, **_: Any) -> tuple[str, list[Any]]:
        sql, parameters = compiler.compile(self.source_expressions[0])
        return f"({sql} ~ %s)", [*parameters, regex.within_search_text(self.name, self.value.term)]

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, Any]:
        connection.ensure_connection()
        connection.connection.create_function("bpql_tag_finds", 4, _tag_finds, deterministic=True)
        sql, parameters = compiler.compile(self.source_expressions[0])
        return f"bpql_tag_finds({sql}, %s, %s, %s)", [*parameters, self.name, self.value.kind.value, self.value.text]


class _TextFinds(Func):
    """True if a column contains a match."""

    output_field = BooleanField()

    def __init__(self, text: F, value: Value) -> None:
        super().__init__(text)
        self.value = value

    def as_postgresql(self, compiler: Any, connection: BaseDatabaseWrapper, **_: Any) -> tuple[str, list[Any]]:
        sql, parameters = compiler.compile(self.source_expressions[0])
        return f"(lower({sql}) ~ %s)", [*parameters, regex.on_its_own(self.value.term)]

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, Any]:
        connection.ensure_connection()
        connection.connection.create_function("bpql_text_finds", 3, _text_finds, deterministic=True)
        sql, parameters = compiler.compile(self.source_expressions[0])
        return f"bpql_text_finds({sql}, %s, %s)", [*parameters, self.value.kind.value, self.value.text]


@lru_cache
def _value(kind: str, text: str) -> Value:
    return Value(ValueKind(kind), text)


def _tag_finds(text: str, name: str | None, kind: str, written: str) -> bool:
    value = _value(kind, written)
    for each in text.split(SEPARATOR):
        tag, sign, content = each.partition(SIGN)
        if sign and (name is None or tag == name) and value.is_in(content):
            return True
    return False


def _text_finds(text: str | None, kind: str, written: str) -> bool:
    return text is not None and _value(kind, written).is_in(fold(text))
