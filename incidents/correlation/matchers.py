"""Matchers of incidents as plain values (docs/how-it-works.md §4.2).

Matchers are read by incident, looked up by key, and written in sets.

The look-ups by key are SQL, because the ORM costs more per key than the look-up itself. On PostgreSQL they are lateral,
so that each key can only be an index scan: the database keeps a plan that it made for a small table while the table
grows.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from django.db import connection

from alerts.events import Tags, shown
from db import bulk
from db.transactions import plain
from incidents.models import Matcher


@dataclass(slots=True, eq=False)
class MatcherRow:
    """A row of `Matcher` as a plain value, while alerts are counted into its incident."""

    pattern_id: int
    version: int
    key: str
    any_source_key: str | None
    source_system: str
    values: Sequence[tuple[str, str]]  # names and values of the pattern's tags, in the pattern's order
    time_window: int  # minutes
    anchor_at: datetime
    valid: bool = True
    narrowed_at: int | None = None
    open: bool = True
    brought_from_id: int | None = None
    incident_id: int | None = None  # None until a new incident is written
    pk: int | None = None

    @property
    def shared_values(self) -> list[str]:
        return [value for _, value in self.values]

    def has_values_of(self, tags: Tags) -> bool:
        """Return whether the tags have the values of the matcher, without which an alert cannot match."""
        return all(shown(tags.get(name, "")) == value for name, value in self.values)


_COLUMNS = tuple(field.name for field in fields(MatcherRow))


# --- by incident


def matchers_of(incidents: Collection[int], **conditions: bool) -> dict[int, list[MatcherRow]]:
    """Return the matchers by incident, in the patterns' order. `conditions` are further filters of the queryset."""
    found: dict[int, list[MatcherRow]] = defaultdict(list)
    matchers = Matcher.objects.filter(incident__in=incidents, **conditions).order_by("pk")
    for columns in matchers.values_list(*_COLUMNS):
        row = MatcherRow(*columns)
        found[row.incident_id or 0].append(row)
    return found


def save_matchers(rows: Sequence[MatcherRow]) -> None:
    """Write all matchers of incidents that changed.

    Of each key, only the matcher of the latest opened incident stays open.

    1. Close the matchers that a later incident supersedes, in the database and among the rows.
    2. Update known rows and create new rows, which opens matchers.

    Closing comes first, because the constraint on `Matcher` allows one open matcher per key at any time.
    """
    opened_last = sorted((row for row in rows if row.open), key=lambda row: row.incident_id or 0)
    latest = {row.key: row for row in opened_last}
    own = {row.incident_id for row in rows}
    superseded = []
    for key, pk, incident in _open_matchers(list(latest)):
        if incident in own:
            continue
        if incident > (latest[key].incident_id or 0):
            del latest[key]
        else:
            superseded.append(pk)
    for row in rows:
        row.open = latest.get(row.key) is row
    known = [row for row in rows if row.pk]
    superseded += [row.pk for row in known if row.pk and not row.open]
    Matcher.objects.filter(pk__in=superseded).update(open=False)
    bulk.save(known, ["valid", "narrowed_at", "open", "anchor_at"], model=Matcher)
    bulk.create([row for row in rows if not row.pk], model=Matcher)


# --- by key


def reachable_incidents(keys: Collection[str], since: datetime, anchors: tuple[datetime, datetime]) -> set[int]:
    """Return the incidents that alerts with these keys may join, if the alerts start at `since` or later.

    Incidents count whose first alert started between `anchors`, which no window exceeds, and those whose matcher is
    open. For a key without an incident to join, return the latest incident that counts, because it is the reason why
    not.
    """
    can_be_joined = "i.resolved_at IS NULL OR (i.resolved_at > %s AND i.resolved_by_id IS NULL)"
    in_reach = "m.valid AND (m.open OR m.anchor_at BETWEEN %s AND %s)"
    rows = _rows_by_key("key", keys, f"m.incident_id, {can_be_joined} AS joinable", in_reach, [since, *anchors])
    joinable = {incident for _, incident, is_joinable in rows if is_joinable}
    with_joinable = {position for position, _, is_joinable in rows if is_joinable}
    latest: dict[int, int] = {}
    for position, incident, _ in rows:
        if position not in with_joinable:
            latest[position] = max(incident, latest.get(position, 0))
    return joinable | set(latest.values())


def incidents_of_any_source(keys: Collection[str]) -> set[int]:
    """Return the open incidents that match keys except for the source, because they are the reason why not."""
    return {incident for _, incident in _rows_by_key("any_source_key", keys, "m.incident_id", "m.open")}


def _open_matchers(keys: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return key, matcher and incident of the open matchers with these keys."""
    rows = _rows_by_key("key", keys, "m.id, m.incident_id", "m.open")
    return [(keys[position], *columns) for position, *columns in rows]


def _rows_by_key(
    column: str, keys: Collection[str], chosen: str, condition: str, parameters: Sequence[datetime] = ()
) -> list[Any]:
    """Select columns of matchers `m` and their incidents `i` by key.

    Each row starts with the position of its key in `keys`.
    """
    matchers = f"incidents_matcher m JOIN incidents_incident i ON i.id = m.incident_id WHERE m.{column} = k.key AND {condition}"
    if connection.vendor == "postgresql":
        listed = "SELECT key, place - 1 AS place FROM unnest(%s::uuid[]) WITH ORDINALITY AS listed(key, place)"
        source = f"CROSS JOIN LATERAL (SELECT {chosen} FROM {matchers} OFFSET 0) m"
        chosen, parameter = "m.*", f"{{{','.join(keys)}}}"
    else:
        listed = "SELECT value AS key, key AS place FROM json_each(%s)"
        source, parameter = f"CROSS JOIN {matchers}", json.dumps(list(keys))
        parameters = plain(parameters)
    sql = f"WITH k AS MATERIALIZED ({listed}) SELECT k.place, {chosen} FROM k {source}"
    return list(bulk.run(sql, [parameter, *parameters]).fetchall()) if keys else []
