"""Parser of queries (docs/wire-contract.md §5.4).

AND binds more tightly than OR. Keywords that follow one another must all be found.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedEOF, UnexpectedToken

from bpql.errors import BpqlError
from bpql.terms import (
    EVERYTHING,
    All,
    AnyOf,
    Condition,
    Expression,
    Keyword,
    Operator,
    Value,
    ValueKind,
    checked,
    from_object,
    joined,
)

LENGTH_LIMIT = 2_000  # characters

GRAMMAR = r"""
start: [expression]
?expression: conjunction (_OR conjunction)*
?conjunction: term (_AND term)*
?term: "(" expression ")" | condition | keywords
keywords: keyword+
keyword: word | regex
condition: word operator value | word list_operator "[" value ("," value)* "]"
operator: ALL_EQUAL | NOT_EQUAL | EQUAL
list_operator: IN | NOT_IN
?value: text | quoted | regex
word: NAME | QUOTED
text: TEXT
quoted: QUOTED
regex: REGEX

ALL_EQUAL: "==="
NOT_EQUAL: "!="
EQUAL: "=" | ":"
_AND: /and(?=[\s()\["'\/]|$)/i
_OR: /or(?=[\s()\["'\/]|$)/i
IN: /in(?=[\s\["'\/]|$)/i
NOT_IN: /not\s+in(?=[\s\["'\/]|$)/i
NAME.-1: /(?!(?:and|or|in|not)(?=[\s()\[\],=:!"'\/]|$))[^\s()\[\],=:!"'\/][^\s()\[\],=:!"']*/i
TEXT.-1: /(?:\\.|[^\s()\[\],"'\/\\])(?:\\.|[^\s()\[\],"'\\])*/
QUOTED: /"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'/s
REGEX: /\/(?:\\.|[^\/\\])+\/(?=[\s)\],]|$)/
%ignore /\s+/
"""

# Names of what the parser may expect, in the order of an error message.
_WORDS = {
    "NAME": "a tag or keyword",
    "ALL_EQUAL": "=, !=, === or IN",
    "TEXT": "a value",
    "LSQB": "a list in brackets, as in [a, b]",
    "COMMA": "a comma",
    "RSQB": "“]”",
    "_AND": "AND",
    "_OR": "OR",
    "RPAR": "“)”",
    "$END": "the end",
}


class _Builder(Transformer[Token, Expression]):
    """Transformer that the parser calls for each rule, from the innermost part outwards."""

    def start(self, parts: list[Expression | None]) -> Expression:
        return parts[0] or EVERYTHING

    def expression(self, parts: list[Expression]) -> Expression:
        return joined(AnyOf, parts)

    def conjunction(self, parts: list[Expression]) -> Expression:
        return joined(All, parts)

    def keywords(self, parts: list[Expression]) -> Expression:
        return joined(All, parts)

    def keyword(self, parts: list[Value]) -> Keyword:
        return Keyword(parts[0])

    def condition(self, parts: list[Any]) -> Condition:
        name: Value
        operator: Operator
        name, operator, *values = parts
        if name.kind is not ValueKind.PLAIN:
            raise BpqlError("A tag's name has no wildcards, and is no regular expression.", name.position)
        return Condition(name.text, operator, tuple(values), name.position)

    def operator(self, parts: list[Token]) -> Operator:
        return Operator.EQUAL if parts[0] == ":" else Operator(parts[0])

    def list_operator(self, parts: list[Token]) -> Operator:
        return Operator(" ".join(parts[0].upper().split()))

    def word(self, parts: list[Token]) -> Value:
        return self.quoted(parts) if parts[0].type == "QUOTED" else _text(parts[0], parts[0].start_pos or 0)

    def text(self, parts: list[Token]) -> Value:
        return _text(parts[0], parts[0].start_pos or 0)

    def quoted(self, parts: list[Token]) -> Value:
        return _text(parts[0][1:-1], (parts[0].start_pos or 0) + 1)

    def regex(self, parts: list[Token]) -> Value:
        return Value(ValueKind.REGEX, str(parts[0][1:-1]), (parts[0].start_pos or 0) + 1)


def _text(written: str, position: int) -> Value:
    """Return a text with its backslashes resolved.

    A backslash makes the next character literal, and any other `*` is a wildcard.
    """
    written = str(written)  # drops the position that a token carries
    if "*" in re.sub(r"\\.", "", written, flags=re.DOTALL):
        return Value(ValueKind.WILDCARD, written, position)
    return Value(ValueKind.PLAIN, re.sub(r"\\(.)", r"\1", written, flags=re.DOTALL), position)


@lru_cache
def _parser() -> Lark:
    return Lark(GRAMMAR, parser="lalr", transformer=_Builder(), maybe_placeholders=True)


def read(written: str | dict[str, object]) -> Expression:
    """Read a query, as text or in the JSON object form. Raise BpqlError."""
    if isinstance(written, dict):
        return checked(from_object(written))
    if len(written) > LENGTH_LIMIT:
        raise BpqlError(f"A query can have {LENGTH_LIMIT:,} characters; this one has {len(written):,}.", LENGTH_LIMIT)
    if written.lstrip().startswith("{"):
        return checked(from_object(_json(written)))
    try:
        expression: Expression = _parser().parse(written)  # type: ignore[assignment]
    except UnexpectedEOF as error:
        raise BpqlError(f"{_expected(set(error.expected))}, but the query ends here.", len(written)) from None
    except UnexpectedToken as error:
        position = len(written) if error.token.type == "$END" else error.token.start_pos or 0
        raise BpqlError(_unexpected(written, position, set(error.expected)), position) from None
    except UnexpectedCharacters as error:
        position = error.pos_in_stream or 0
        raise BpqlError(_unexpected(written, position, set(error.allowed or ())), position) from None
    return checked(expression)


def _json(written: str) -> dict[str, object]:
    try:
        data = json.loads(written)
    except json.JSONDecodeError as error:
        raise BpqlError(f"This begins like JSON, but is none: {error.msg}.", error.pos) from None
    except RecursionError:
        raise BpqlError("This is nested too deep.") from None
    return dict(data)


def _unexpected(written: str, position: int, expected: set[str]) -> str:
    found = "".join(re.findall(r"\w+|.", written[position : position + 20], re.DOTALL)[:1])
    is_listing = written.rfind("[", 0, position) > written.rfind("]", 0, position)
    expected -= {"_AND", "_OR", "RPAR"} if is_listing else {"COMMA", "RSQB"}
    if written.count("(", 0, position) <= written.count(")", 0, position):
        expected -= {"RPAR"}
    if not found:
        return f"{_expected(expected)}, but the query ends here."
    if found in "\"'" and "QUOTED" in expected:
        return "This quote is not closed."
    if found == "/" and "REGEX" in expected:
        return "This regular expression is not closed; put a text that begins with / in quotes."
    return f"{_expected(expected)}, found “{found}”."


def _expected(terminals: set[str]) -> str:
    words = [word for name, word in _WORDS.items() if name in terminals]
    return f"Expected {', '.join(words[:-1])}{' or ' if words[:-1] else ''}{words[-1]}"
