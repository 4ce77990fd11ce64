"""Terms of queries.

The text and the JSON object form (docs/wire-contract.md §5.4) are two notations of the same terms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any

from bpql import regex
from bpql.errors import BpqlError

CONDITIONS_LIMIT = 200
DEPTH_LIMIT = 20
_RESERVED = ("AND", "OR", "IN", "NOT")
_CONTROL = dict.fromkeys(range(32), " ")


def fold(text: str) -> str:
    """Return a text for comparison.

    The case of letters does not count, and control characters, which separate values in the search text, become
    blanks.
    """
    folded = text.casefold()
    return folded if folded.isprintable() else folded.translate(_CONTROL)


@lru_cache(10_000)
def fold_name(text: str) -> str:
    """Return the name of a tag for comparison, in capitals, which no folded value has."""
    return fold(text).upper()


def fold_tags(tags: Mapping[str, str | list[str]]) -> dict[str, list[str]]:
    """Return the values of an alert for comparison, by the folded names of its tags."""
    folded: dict[str, list[str]] = {}
    for name, value in tags.items():
        values = [fold(value)] if isinstance(value, str) else [fold(each) for each in value]
        folded.setdefault(fold_name(name), []).extend(values)
    return folded


def search_text(folded: Mapping[str, Sequence[str]]) -> str:
    """Return the search text of an alert: folded tags as one text.

    Python folds the text, because databases disagree on the case of letters. Names are in capitals, so that a search
    for a word in values finds no name.
    """
    parts = [regex.SEPARATOR]
    for name, values in folded.items():
        for each in values:
            parts += name, regex.SIGN, each, regex.SEPARATOR
    return "".join(parts)


class Operator(StrEnum):
    """A comparison of a tag with one or several values."""

    EQUAL = "="
    NOT_EQUAL = "!="
    ALL_EQUAL = "==="
    IN = "IN"
    NOT_IN = "NOT IN"

    @property
    def is_negative(self) -> bool:
        return self in (Operator.NOT_EQUAL, Operator.NOT_IN)

    @property
    def takes_list(self) -> bool:
        return self in (Operator.IN, Operator.NOT_IN)


class ValueKind(StrEnum):
    """The kind of a value. The names of wildcards and regular expressions are those of the object form."""

    PLAIN = "plain"
    WILDCARD = "regex"
    REGEX = "formal-regex"


@dataclass(frozen=True)
class Value:
    """A value in a query: a plain text, a text with wildcards, or a regular expression."""

    kind: ValueKind
    text: str  # of a text with wildcards, including its backslashes
    position: int = field(default=0, compare=False)  # of the text in the query

    def __post_init__(self) -> None:
        if self.kind is not ValueKind.PLAIN:
            _ = self.term  # raises BpqlError

    @cached_property
    def folded(self) -> str:
        return fold(self.text)

    @cached_property
    def prefix(self) -> str | None:
        """The text before the only wildcard, at the end, or None for any other value."""
        if self.kind is not ValueKind.WILDCARD or not self.text.endswith("*") or {"*", "\\"} & set(self.text[:-1]):
            return None
        return fold(self.text[:-1])

    @cached_property
    def longest_piece(self) -> str:
        """The longest text that every match contains, or empty text where none is known."""
        return regex.longest_literal(self.term)

    @cached_property
    def term(self) -> regex.Term:
        """The value as a term of a regular expression. Raise BpqlError."""
        if self.kind is ValueKind.REGEX:
            return regex.read(self.text, self.position)
        return regex.read_wildcard(self.text) if self.kind is ValueKind.WILDCARD else regex.literal(self.folded)

    def equals(self, folded: str) -> bool:
        """Return whether a folded text equals this value."""
        return folded == self.folded if self.kind is ValueKind.PLAIN else regex.compiled(self.term).finds(folded)

    def is_in(self, folded: str) -> bool:
        """Return whether a folded text contains this value."""
        return self.folded in folded if self.kind is ValueKind.PLAIN else regex.compiled(self.term).finds(folded)

    def __str__(self) -> str:
        if self.kind is ValueKind.REGEX:
            return f"/{self.text}/"
        return '"' + re.sub(r'["\\*]' if self.kind is ValueKind.PLAIN else '"', r"\\\g<0>", self.text) + '"'


@dataclass(frozen=True)
class Condition:
    """A comparison of one tag, or of one field of the incident."""

    name: str  # as written
    operator: Operator
    values: tuple[Value, ...]
    position: int = field(default=0, compare=False)

    @cached_property
    def folded_name(self) -> str:
        return fold_name(self.name)

    def __str__(self) -> str:
        shown = f"[{', '.join(map(str, self.values))}]" if self.operator.takes_list else str(self.values[0])
        name = (
            self.name
            if re.fullmatch(r"[\w.-]+", self.name) and self.name.upper() not in _RESERVED
            else str(Value(ValueKind.PLAIN, self.name))
        )
        return f"{name} {self.operator} {shown}"


@dataclass(frozen=True)
class Keyword:
    """A word without a tag, which is searched in the source system, the comments and every tag."""

    value: Value

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True)
class All:
    """The expression that needs all of its parts."""

    parts: tuple[Expression, ...]

    def __str__(self) -> str:
        return " AND ".join(f"({part})" if isinstance(part, AnyOf) else str(part) for part in self.parts)


@dataclass(frozen=True)
class AnyOf:
    """The expression that needs one of its parts."""

    parts: tuple[Expression, ...]

    def __str__(self) -> str:
        return " OR ".join(f"({part})" if isinstance(part, All) else str(part) for part in self.parts)


Expression = Condition | Keyword | All | AnyOf
EVERYTHING = All(())  # the empty query


def joined(kind: type[All] | type[AnyOf], parts: list[Expression]) -> Expression:
    """Join expressions.

    Parts of the same kind are flattened, so that `(a AND b) AND c` has three parts in any notation.
    """
    flat = [inner for part in parts for inner in (part.parts if isinstance(part, kind) else (part,))]
    return flat[0] if len(flat) == 1 else kind(tuple(flat))


def conditions(expression: Expression, depth: int = 0) -> Iterator[Condition | Keyword]:
    """Yield each condition and keyword of an expression. Raise BpqlError where parentheses are nested too deep."""
    if depth > DEPTH_LIMIT:
        raise BpqlError(f"Parentheses can be nested {DEPTH_LIMIT} deep.")
    if isinstance(expression, All | AnyOf):
        for part in expression.parts:
            yield from conditions(part, depth + 1)
    else:
        yield expression


def checked(expression: Expression) -> Expression:
    """Return the expression. Raise BpqlError where the expression exceeds a limit."""
    if len(list(conditions(expression))) > CONDITIONS_LIMIT:
        raise BpqlError(f"A query can have {CONDITIONS_LIMIT} conditions.")
    return expression


# --- the object form


def as_object(expression: Expression) -> dict[str, Any]:
    """Return the JSON object form.

    The query that finds everything is an empty object, and a keyword is under `keyword`.
    """
    match expression:
        case All() | AnyOf():
            name = "AND" if isinstance(expression, All) else "OR"
            return {name: [as_object(part) for part in expression.parts]} if expression.parts else {}
        case Keyword():
            return {"keyword": _value_as_data(expression.value)}
        case Condition():
            values = [_value_as_data(value) for value in expression.values]
            return {
                expression.operator.value: [expression.name, values if expression.operator.takes_list else values[0]]
            }


def from_object(data: object, depth: int = 0) -> Expression:
    """Read the JSON object form. Raise BpqlError."""
    if data == {}:
        return EVERYTHING
    if depth > DEPTH_LIMIT:
        raise BpqlError(f"Objects can be nested {DEPTH_LIMIT} deep.")
    if not isinstance(data, dict) or len(data) != 1:
        raise BpqlError('Expected an object with one operator, as in {"=": ["host", "web-1"]}.')
    name, content = next(iter(data.items()))
    name = name.upper()
    if name in ("AND", "OR"):
        if not isinstance(content, list) or not content:
            raise BpqlError(f"“{name}” takes a list of objects.")
        return joined(All if name == "AND" else AnyOf, [from_object(each, depth + 1) for each in content])
    if name == "KEYWORD":
        return Keyword(_value_from_data(content))
    return _condition_from_data("=" if name == ":" else name, content)


def _condition_from_data(name: str, content: object) -> Condition:
    try:
        operator = Operator(name)
    except ValueError:
        known = ", ".join([*Operator, "AND", "OR"])
        raise BpqlError(f"“{name}” is no operator; there are {known}.") from None
    match content:
        case [str(tag), list(values)] if tag and values and operator.takes_list:
            return Condition(tag, operator, tuple(map(_value_from_data, values)))
        case [str(tag), value] if tag and not operator.takes_list:
            return Condition(tag, operator, (_value_from_data(value),))
    raise BpqlError(f"“{name}” takes a tag and {'a list of values' if operator.takes_list else 'a value'}.")


def _value_as_data(value: Value) -> object:
    return value.text if value.kind is ValueKind.PLAIN else {"type": value.kind.value, "value": value.text}


def _value_from_data(data: object) -> Value:
    match data:
        case str():
            return Value(ValueKind.PLAIN, data)
        case {"type": "regex" | "formal-regex" as kind, "value": str(text)}:
            return Value(ValueKind(kind), text)
    raise BpqlError('A value is a text, or an object with "type" (regex or formal-regex) and "value".')
