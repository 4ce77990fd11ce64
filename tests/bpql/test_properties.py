"""Tests of random queries: the predicate and the database agree, and regular expressions match as in Python.

`HYPOTHESIS_PROFILE=long` asks thousands of queries instead of a slice.
"""

from __future__ import annotations

import os
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from alerts.models import Alert
from bpql import parse, regex
from bpql.terms import Value, ValueKind, fold
from incidents.correlation.decide import CorrelationSubject
from incidents.search import conditions

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
few_or_many = settings(
    max_examples=3_000 if LONG else 150,
    deadline=None,
    database=None,
    derandomize=not LONG,
    suppress_health_check=list(HealthCheck),
)

# Few letters, so that queries often find something. Some characters fold oddly, and some have a meaning in a query.
TEXTS = st.text("abAB1-ßÄ.%_\\ *|\"'/:=\n", max_size=5)
NAMES = st.sampled_from(["host", "check", "Team", "status", "source", "none"])
PLAIN = st.text("ab1-.ä%", min_size=1, max_size=3)


def _pieces(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    repeat = st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,}"])
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        st.tuples(inner, repeat).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
    )


ATOMS = st.sampled_from(
    ["a", "B", "1", "-", r"\.", ".", "[ab]", "[^a]", "[a-c1]", r"\d", r"\w", r"\S", "%", "ß", "^", "$"]
)
EXPRESSIONS = st.recursive(ATOMS, _pieces, max_leaves=8)


def _quoted(text: str) -> str:
    return str(Value(ValueKind.PLAIN, text))


VALUES = st.one_of(
    TEXTS.map(_quoted),
    PLAIN.map(lambda text: f"{text}*"),
    PLAIN.map(lambda text: f"*{text}*"),
    EXPRESSIONS.map(lambda text: f"/{text}/"),
)
CONDITIONS = st.one_of(
    st.tuples(NAMES, st.sampled_from(["=", ":", "!="]), VALUES).map(" ".join),
    st.tuples(NAMES, st.sampled_from(["IN", "not in"]), st.lists(VALUES, min_size=1, max_size=3)).map(
        lambda parts: f"{parts[0]} {parts[1]} [{', '.join(parts[2])}]"
    ),
    VALUES,
)
QUERIES = st.recursive(
    CONDITIONS,
    lambda inner: st.lists(st.tuples(inner, st.sampled_from(["AND", "or"])), min_size=2, max_size=3).map(
        lambda parts: " ".join(f"({part}) {word}" for part, word in parts).rsplit(" ", 1)[0]
    ),
    max_leaves=5,
)
HELD: list[dict[str, Any]] = [
    {"host": "a", "check": "b"},
    {"host": "A-1", "check": "ab1", "Team": ["a", "B b"]},
    {"host": "aß", "team": "Ä", "check": "%"},
    {"host": "ba.b", "check": "a\\b*", "TEAM": "a|b"},
    {"host": "1", "team": "a\nb", "check": "a\"b'"},
    {"host": "bbbb", "check": "a_b", "team": "host"},
    {"service": "ab/a:b=a", "Host": ["1", "-", "aab"]},
]


@pytest.fixture
def held(post_batch: Any) -> list[Alert]:
    statuses = ("critical", "warning", "acknowledged", "unknown")
    post_batch(*({"status": statuses[number % 4], **tags} for number, tags in enumerate(HELD)))
    return list(Alert.objects.select_related("app_key"))


def test_the_predicate_and_the_database_agree(held: list[Alert]) -> None:
    subjects = {
        alert.pk: CorrelationSubject(alert.app_key.source_system, alert.tags, alert.started_at, alert.status)
        for alert in held
    }
    assert len(subjects) == len(HELD)

    @few_or_many
    @given(QUERIES)
    def agree(text: str) -> None:
        query = parse(text)
        note(str(query))
        matching = {pk for pk, subject in subjects.items() if query.matches(subject)}
        assert set(Alert.objects.filter(conditions.for_alerts(query)).values_list("pk", flat=True)) == matching
        assert parse(str(query)) == query
        assert parse(query.as_object()) == query

    agree()


@few_or_many
@given(EXPRESSIONS, st.text("abB1-. ßÄ%", max_size=8))
def test_an_expression_is_found_where_pythons_own_engine_finds_it(expression: str, text: str) -> None:
    folded = fold(text)
    shortened = re.sub("ß", "ss", expression)
    python = re.compile(shortened, re.IGNORECASE | re.ASCII | re.DOTALL)
    assert regex.compiled(regex.read(expression)).finds(folded) == bool(python.search(folded))
