"""BPQL, the query language of search, environments, patterns and maintenance plans (docs/wire-contract.md §5.4).

`parse(text)` returns a `Query`: a predicate on one alert. `incidents.search.conditions` turns a query into conditions
of the database. `BpqlError` says what is wrong with a query, and at which character.
"""

from __future__ import annotations

from bpql.errors import BpqlError
from bpql.query import Query, QuerySubject, parse
from bpql.search_limit import SearchStopped
from bpql.terms import fold_tags, search_text

__all__ = ["BpqlError", "Query", "QuerySubject", "SearchStopped", "fold_tags", "parse", "search_text"]
