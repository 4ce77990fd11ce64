r"""Regular expressions whose search takes time in proportion to the length of the text.

Users write the expressions, and the texts come from senders, so a search must not backtrack. `Regex` reads a text
once, character by character, and keeps the set of terms that may follow (the partial derivatives of Antimirov).
SQLite calls `Regex`. PostgreSQL, whose own engine does not backtrack either, gets the same expression in its own
syntax.

The syntax is what all three dialects (Python, PostgreSQL, this module) read alike: literals, `.`, classes, `\d \w
\s` (ASCII) and their opposites, groups, `|`, `* + ? {n,m}`, `^` and `$`. The case of letters does not count. An
error names any other syntax.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from bpql import search_limit
from bpql.errors import BpqlError

REPEAT_LIMIT = 100
SIZE_LIMIT = 500  # characters, after repeats are written out
DEPTH_LIMIT = 20
STATES_LIMIT = 2_000  # sets in the cache; beyond the limit the cache starts again
SEPARATOR = "\x1e"  # between the values of the search text of an alert; no value contains it
SIGN = "\x1f"  # between the name of a tag and its value in the search text
_DIGITS, _BLANKS = ("0", "9"), (" ", " ")
_SHORTHANDS = {"d": (_DIGITS,), "w": (("a", "z"), _DIGITS, ("_", "_")), "s": (_BLANKS,)}


@dataclass(frozen=True, slots=True)
class Nothing:
    """The term that matches the empty text."""


@dataclass(frozen=True, slots=True)
class Edge:
    """The term that matches the beginning or the end of the text."""

    is_begin: bool


@dataclass(frozen=True, slots=True)
class Characters:
    """The term that matches one character in these ranges, or, negated, one character outside."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool = False

    def holds(self, character: str) -> bool:
        return any(low <= character <= high for low, high in self.ranges) != self.negated


@dataclass(frozen=True, slots=True)
class Sequence:
    """The term that matches its parts one after another."""

    parts: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """The term that matches one of its options."""

    options: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Many:
    """The term that matches any number of repetitions, or none."""

    of: Term


Term = Nothing | Edge | Characters | Sequence | Either | Many
NOTHING = Nothing()
ANY = Characters((), negated=True)


def _may_be_empty(term: Term, begin: bool, end: bool) -> bool:
    match term:
        case Nothing() | Many():
            return True
        case Edge():
            return begin if term.is_begin else end
        case Sequence():
            return all(_may_be_empty(part, begin, end) for part in term.parts)
        case Either():
            return any(_may_be_empty(option, begin, end) for option in term.options)
        case Characters():
            return False


def _after(term: Term, character: str, begin: bool) -> set[Term]:
    """Return the terms that may follow a term after one character."""
    match term:
        case Characters():
            return {NOTHING} if term.holds(character) else set()
        case Sequence():
            found: set[Term] = set()
            for place, part in enumerate(term.parts):
                found |= {sequence_of(each, *term.parts[place + 1 :]) for each in _after(part, character, begin)}
                if not _may_be_empty(part, begin, end=False):
                    break
            return found
        case Either():
            return set().union(*(_after(option, character, begin) for option in term.options))
        case Many():
            return {sequence_of(each, term) for each in _after(term.of, character, begin)}
        case _:
            return set()


@dataclass(slots=True, eq=False)
class _State:
    """A set of terms of which one must match the rest of the text, with the states that follow by character."""

    terms: frozenset[Term]
    is_found: bool
    next: dict[str, _State] = field(default_factory=dict)


class Regex:
    """Search for an expression anywhere in a text."""

    def __init__(self, term: Term) -> None:
        self.term = term
        self._known: dict[frozenset[Term], _State] = {}
        self._begin = _State(frozenset([term]), _may_be_empty(term, begin=True, end=False))

    def finds(self, text: str) -> bool:
        """Return whether a casefolded text contains the expression. Raise SearchStopped at the deadline of the search."""
        search_limit.check()
        state = self._begin
        for character in text:
            if state.is_found:
                return True
            following = state.next.get(character)
            if following is None:
                following = state.next[character] = self._step(state, character)
            state = following
        return state.is_found or any(_may_be_empty(term, begin=not text, end=True) for term in state.terms)

    def _step(self, state: _State, character: str) -> _State:
        search_limit.check()
        begin = state is self._begin
        terms = frozenset([self.term]).union(*(_after(term, character, begin) for term in state.terms))
        if len(self._known) > STATES_LIMIT:
            self._known.clear()
            self._begin.next.clear()
        if terms not in self._known:
            self._known[terms] = _State(terms, any(_may_be_empty(term, begin=False, end=False) for term in terms))
        return self._known[terms]


# --- parsing


class _Reader:
    """Parser by recursive descent. The positions in its errors count from `offset`."""

    def __init__(self, text: str, offset: int) -> None:
        self.text, self.offset, self.at, self.depth = text, offset, 0, 0

    def read(self) -> Term:
        term = self.choice()
        if self.at < len(self.text):
            raise self.error("This “)” closes nothing; write \\) for the character.")
        if _size(term) > SIZE_LIMIT:
            raise BpqlError("This regular expression is too large with its repeats written out.", self.offset)
        return term

    def error(self, message: str, back: int = 0) -> BpqlError:
        return BpqlError(message, self.offset + min(self.at, len(self.text)) - back)

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def advance(self) -> str:
        """Read the next character, or empty text at the end."""
        character = self.peek()
        self.at += 1
        return character

    def accept(self, expected: str) -> bool:
        """Read the next character if it is the expected one. Return whether it is."""
        if self.peek() != expected:
            return False
        self.at += 1
        return True

    def choice(self) -> Term:
        options = [self.sequence()]
        while self.accept("|"):
            options.append(self.sequence())
        return options[0] if len(options) == 1 else Either(tuple(options))

    def sequence(self) -> Term:
        parts: list[Term] = []
        while (character := self.peek()) and character not in "|)":
            parts.append(self.repeated())
        return sequence_of(*parts)

    def repeated(self) -> Term:
        is_edge = self.peek() in "^$"
        term = self.single()
        while (character := self.peek()) and character in "*+?{":
            if is_edge:
                raise self.error("Nothing stands here that could be repeated.")
            term = self.times(term)
            if self.peek() and self.peek() in "*+?{":
                raise self.error("Repeats of repeats are not supported.")
        return term

    def times(self, term: Term) -> Term:
        match self.advance():
            case "*":
                return Many(term)
            case "+":
                return sequence_of(term, Many(term))
            case "?":
                return Either((term, NOTHING))
        start = self.at
        end = self.text.find("}", start)
        low, comma, high = self.text[start : max(end, start)].partition(",")
        if not (low.isascii() and low.isdigit()) or (high and not (high.isascii() and high.isdigit())):
            raise self.error("Expected a repeat like {2}, {2,} or {2,5}; write \\{ for the character.", back=1)
        least, most = int(low), int(high or low)
        if not least <= most <= REPEAT_LIMIT:
            raise self.error(f"A repeat goes up to {REPEAT_LIMIT} times, and its second number is not the smaller one.")
        self.at = end + 1
        if _size(term) * most > SIZE_LIMIT:
            raise self.error("This regular expression is too large with its repeats written out.")
        further = [Many(term)] if comma and not high else [Either((term, NOTHING))] * (most - least)
        return sequence_of(*[term] * least, *further)

    def single(self) -> Term:
        match self.advance():
            case "(":
                return self.group()
            case "[":
                return self.characters()
            case ".":
                return ANY
            case "^":
                return Edge(is_begin=True)
            case "$":
                return Edge(is_begin=False)
            case "\\":
                return self.escape()
            case "*" | "+" | "?" | "{":
                raise self.error("Nothing stands before this repeat; write \\ before it for the character.", back=1)
            case character:
                return literal(character)

    def group(self) -> Term:
        if self.accept("?") and not self.accept(":"):
            raise self.error("Groups are written ( ) or (?: ); lookarounds and flags are not supported.", back=1)
        self.depth += 1
        if self.depth > DEPTH_LIMIT:
            raise self.error(f"Groups can be nested {DEPTH_LIMIT} deep.")
        term = self.choice()
        self.depth -= 1
        if not self.accept(")"):
            raise self.error("Expected “)” to close the group.")
        return term

    def escape(self) -> Characters:
        character = self.advance()
        if shorthand := _SHORTHANDS.get(character.lower()):
            return Characters(shorthand, negated=character.isupper())
        if not character or character.isalnum():
            raise self.error(f"“\\{character}” is not supported; there are \\d, \\w and \\s.", back=len(character))
        return Characters(((character, character),))

    def characters(self) -> Characters:
        negated = self.accept("^")
        ranges: list[tuple[str, str]] = []
        while not ranges or self.peek() != "]":
            if not self.peek():
                raise self.error("Expected “]” to close the set of characters.")
            ranges += self.range()
        self.accept("]")
        return Characters(tuple(ranges), negated)

    def range(self) -> tuple[tuple[str, str], ...]:
        low = self.member()
        if self.peek() != "-" or self.text[self.at + 1 : self.at + 2] in ("", "]"):
            return low
        self.accept("-")
        high = self.member()
        if len(low) != 1 or len(high) != 1 or low[0][0] > high[0][1]:
            raise self.error("A range goes from the lower character to the higher, as in a-z.", back=1)
        return ((low[0][0], high[0][1]),)

    def member(self) -> tuple[tuple[str, str], ...]:
        character = self.advance()
        if character == "[":
            raise self.error("Write \\[ for this character within a set.", back=1)
        if character == "\\":
            escaped = self.escape()
            if escaped.negated:
                raise self.error("Opposites are not supported within a set of characters.", back=1)
            return escaped.ranges
        folded = character.casefold()
        return ((folded, folded),) if len(folded) == 1 else ((character, character),)


def literal(text: str) -> Term:
    """Return the term that matches a text, whatever the case of its letters."""
    return sequence_of(*(Characters(((each, each),)) for each in text.casefold()))


def sequence_of(*parts: Term) -> Term:
    """Return a sequence of terms without nested sequences and empty parts."""
    flat: list[Term] = []
    for part in parts:
        if isinstance(part, Sequence):
            flat += part.parts
        elif not isinstance(part, Nothing):
            flat.append(part)
    return flat[0] if len(flat) == 1 else Sequence(tuple(flat)) if flat else NOTHING


def _size(term: Term) -> int:
    match term:
        case Sequence():
            return sum(map(_size, term.parts))
        case Either():
            return sum(map(_size, term.options))
        case Many():
            return _size(term.of)
        case _:
            return 1


def read(text: str, offset: int = 0) -> Term:
    """Return a regular expression as a term. Raise BpqlError, with positions counted from `offset`."""
    return _Reader(text, offset).read()


def read_wildcard(text: str) -> Term:
    """Return a text with wildcards as a term, which must match from the beginning to the end.

    `*` stands for any characters. A backslash makes the next character literal.
    """
    parts: list[Term] = [Edge(is_begin=True)]
    characters = iter(text)
    for character in characters:
        if character == "*":
            parts.append(Many(ANY))
        else:
            parts.append(literal(next(characters, "\\") if character == "\\" else character))
    return sequence_of(*parts, Edge(is_begin=False))


def longest_literal(term: Term) -> str:
    """Return the longest text that every match of the term contains, or empty text where none is known."""
    runs = [""]
    for part in term.parts if isinstance(term, Sequence) else (term,):
        if (
            isinstance(part, Characters)
            and not part.negated
            and len(part.ranges) == 1
            and len(set(part.ranges[0])) == 1
        ):
            runs[-1] += part.ranges[0][0]
        elif not isinstance(part, Edge):
            runs.append("")
    return max(runs, key=len)


# --- for PostgreSQL


def within_search_text(name: str | None, term: Term) -> str:
    """Return the PostgreSQL expression that finds a term in a search text: in the value of a tag, or of any tag."""
    begin = f"{SEPARATOR}{_escaped(name)}{SIGN}" if name is not None else SIGN
    if isinstance(term, Sequence) and term.parts[0] == Edge(is_begin=True):
        return begin + _translated(Sequence(term.parts[1:]), f"(?<={SIGN})", f"(?={SEPARATOR})")
    return f"{begin}[^{SEPARATOR}]*{_translated(term, f'(?<={SIGN})', f'(?={SEPARATOR})')}"


def on_its_own(term: Term) -> str:
    """Return the PostgreSQL expression that finds a term in a text in lower case.

    In the locale C, PostgreSQL lowers ASCII letters only. The expression matches both cases of all other letters.
    """
    return _translated(_in_both_cases(term), "^", "$")


def _in_both_cases(term: Term) -> Term:
    match term:
        case Characters():
            letters = {low.upper() for low, high in term.ranges if low == high and not low.isascii()}
            upper = tuple((letter, letter) for letter in sorted(letters) if len(letter) == 1)
            return Characters(term.ranges + upper, term.negated)
        case Sequence():
            return Sequence(tuple(map(_in_both_cases, term.parts)))
        case Either():
            return Either(tuple(map(_in_both_cases, term.options)))
        case Many():
            return Many(_in_both_cases(term.of))
        case _:
            return term


def _translated(term: Term, begin: str, end: str) -> str:
    match term:
        case Nothing():
            return "(?:)"
        case Edge():
            return begin if term.is_begin else end
        case Characters():
            ranges = "".join(
                _escaped(low) if low == high else f"{_escaped(low)}-{_escaped(high)}" for low, high in term.ranges
            )
            if term.negated:
                return f"[^{ranges}{SIGN}{SEPARATOR}]"
            return (
                _escaped(term.ranges[0][0])
                if len(term.ranges) == 1 and len(set(term.ranges[0])) == 1
                else f"[{ranges}]"
            )
        case Sequence():
            return "".join(_translated(part, begin, end) for part in term.parts)
        case Either():
            return f"(?:{'|'.join(_translated(option, begin, end) for option in term.options)})"
        case Many():
            return f"(?:{_translated(term.of, begin, end)})*"


def _escaped(text: str) -> str:
    return "".join(each if each.isalnum() or not each.isascii() else f"\\u{ord(each):04x}" for each in text)


@lru_cache(maxsize=500)
def compiled(term: Term) -> Regex:
    """Return the regular expression of a term, with the states that earlier searches have found."""
    return Regex(term)
