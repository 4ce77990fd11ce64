"""BPQL, the query language of search, environments and patterns (docs/wire-contract.md §5.4).

`parse(text)` gives a `Query`: a predicate on one alert, and conditions for querysets of alerts and of incidents. `BpqlError` says what is
wrong, and where.
"""

from __future__ import annotations

from bpql.errors import BpqlError
from bpql.query import Query, QuerySubject, parse
from bpql.terms import fold_tags, search_text

__all__ = ["BpqlError", "Query", "QuerySubject", "fold_tags", "parse", "search_text"]
