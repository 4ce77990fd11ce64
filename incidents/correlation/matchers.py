"""What leads alerts to incidents: their matchers as plain values, read, looked up by key, and written, many at once.

The look-ups are SQL of our own, since the ORM costs more for each key than the look-up does. Lateral on PostgreSQL, so that it can only be an
index scan for each key: a plan for a join is made for a small table, and kept while the table grows.
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
from incidents.models import Matcher


@dataclass(slots=True, eq=False)
class MatcherRow:
    """A Matcher of an incident that alerts are counted into."""

    pattern_id: int
    version: int
    key: str
    any_source_key: str | None
    source_system: str
    values: Sequence[tuple[str, str]]  # of the pattern's tags, in their order
    time_window: int  # minutes
    anchor_at: datetime
    valid: bool = True
    narrowed_at: int | None = None
    open: bool = True
    brought_from_id: int | None = None
    incident_id: int | None = None  # known when the incident is written
    pk: int | None = None

    @property
    def shared_values(self) -> list[str]:
        return [value for _, value in self.values]

    def has_values_of(self, tags: Tags) -> bool:
        """Whether an alert with these tags can match: it then has the same values."""
        return all(shown(tags.get(name, "")) == value for name, value in self.values)


COLUMNS = tuple(field.name for field in fields(MatcherRow))


def matchers_of(incidents: Collection[int], **conditions: bool) -> dict[int, list[MatcherRow]]:
    """By incident, in the patterns' order."""
    found: dict[int, list[MatcherRow]] = defaultdict(list)
    matchers = Matcher.objects.filter(incident__in=incidents, **conditions).order_by("pk")
    for row in matchers.values_list(*COLUMNS):
        lead = MatcherRow(*row)
        found[lead.incident_id or 0].append(lead)
    return found


def save_matchers(leads: Sequence[MatcherRow]) -> None:
    """Write those of incidents that changed; of each key one at most stays open, that of the incident opened last.

    Closed first and opened last, since the constraint lets no two be open in between.
    """
    opened_last = sorted((lead for lead in leads if lead.open), key=lambda lead: lead.incident_id or 0)
    latest = {lead.key: lead for lead in opened_last}
    ours = {lead.incident_id for lead in leads}
    superseded = []
    for key, pk, incident in _open(list(latest)):
        if incident in ours:
            continue
        if incident > (latest[key].incident_id or 0):
            del latest[key]
        else:
            superseded.append(pk)
    for lead in leads:
        lead.open = latest.get(lead.key) is lead
    known = [lead for lead in leads if lead.pk]
    superseded += [lead.pk for lead in known if lead.pk and not lead.open]
    Matcher.objects.filter(pk__in=superseded).update(open=False)
    bulk.save(known, ["valid", "narrowed_at", "open", "anchor_at"], model=Matcher)
    bulk.create([lead for lead in leads if not lead.pk], model=Matcher)


# --- by key


def reachable_incidents(keys: Collection[str], since: datetime, anchors: tuple[datetime, datetime]) -> set[int]:
    """Incidents that alerts with these keys may join, which start then or later; no window reaches beyond `anchors`.

    Of a key that leads to none of those, the latest one in reach, to say why not.
    """
    leads = "i.resolved_at IS NULL OR (i.resolved_at > %s AND i.resolved_by_id IS NULL)"
    in_reach = "m.valid AND (m.open OR m.anchor_at BETWEEN %s AND %s)"
    rows = _matchers("key", keys, f"m.incident_id, {leads} AS leads", in_reach, [since, *anchors])
    found = {incident for _, incident, leads in rows if leads}
    led = {place for place, _, leads in rows if leads}
    latest: dict[int, int] = {}
    for place, incident, _ in rows:
        if place not in led:
            latest[place] = max(incident, latest.get(place, 0))
    return found | set(latest.values())


def incidents_of_any_source(keys: Collection[str]) -> set[int]:
    """Open incidents that only their source keeps an alert from, to say why not."""
    return {incident for _, incident in _matchers("any_source_key", keys, "m.incident_id", "m.open")}


def _open(keys: Sequence[str]) -> list[tuple[str, int, int]]:
    """Those by which new alerts with these keys join: key, matcher, incident."""
    return [(keys[place], *found) for place, *found in _matchers("key", keys, "m.id, m.incident_id", "m.open")]


def _matchers(
    column: str, keys: Collection[str], chosen: str, condition: str, parameters: Sequence[datetime] = ()
) -> list[Any]:
    """What is chosen of matchers `m` with these keys and of their incidents `i`, behind the key's place."""
    matchers = f"incidents_matcher m JOIN incidents_incident i ON i.id = m.incident_id WHERE m.{column} = k.key AND {condition}"
    if connection.vendor == "postgresql":
        listed = "SELECT key, place - 1 AS place FROM unnest(%s::uuid[]) WITH ORDINALITY AS listed(key, place)"
        source = f"CROSS JOIN LATERAL (SELECT {chosen} FROM {matchers} OFFSET 0) m"
        chosen, parameter = "m.*", f"{{{','.join(keys)}}}"
    else:
        listed = "SELECT value AS key, key AS place FROM json_each(%s)"
        source, parameter = f"CROSS JOIN {matchers}", json.dumps(list(keys))
        parameters = bulk.plain(parameters)
    sql = f"WITH k AS MATERIALIZED ({listed}) SELECT k.place, {chosen} FROM k {source}"
    return list(bulk.run(sql, [parameter, *parameters]).fetchall()) if keys else []
