"""BPQL, the query language of search, environments and patterns (bigpanda.md §4.3).

`parse(text)` gives a `Query`: a predicate on one alert, and conditions for querysets of alerts and of incidents. `BpqlError` says what is
wrong, and where.
"""

from __future__ import annotations

from incidents.bpql.database import search_text
from incidents.bpql.errors import BpqlError
from incidents.bpql.query import Query, Subject, parse
from incidents.bpql.terms import fold_tags

__all__ = ["BpqlError", "Query", "Subject", "fold_tags", "parse", "search_text"]
