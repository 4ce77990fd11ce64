"""Keeping the texts that a search among open incidents reads (incidents.models.SearchText): of each alert whose incident is open.

Correlation writes an alert's own text, and has it kept here in the same transaction. Where an incident opens again, all of its alerts have theirs
again. What is over is forgotten from time to time.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from django.db import connection, transaction

from db import bulk
from incidents import correlation_lock
from incidents.models import SearchText

CHUNK = 1000  # texts forgotten in one transaction


def keep(alerts: Collection[int]) -> None:
    """Of these alerts, as far as they have an incident."""
    _keep("id", alerts)


def keep_of(incidents: Collection[int]) -> None:
    """Of all alerts of these incidents."""
    _keep("incident_id", incidents)


def _keep(column: str, keys: Collection[int]) -> None:
    if not keys:
        return
    of_each = f"alerts_alert a WHERE a.{column} = k.key AND a.incident_id IS NOT NULL"
    if connection.vendor == "postgresql":
        # A lateral look-up can only be an index scan: a plan for a join is made for a small table and kept while the table grows.
        source = f"unnest(%s::bigint[]) AS k(key) CROSS JOIN LATERAL (SELECT * FROM {of_each} OFFSET 0) a WHERE true"
        parameter = f"{{{','.join(map(str, keys))}}}"
    else:
        source, parameter = f"(SELECT value AS key FROM json_each(%s)) k CROSS JOIN {of_each}", json.dumps(list(keys))
    sql = (
        f"INSERT INTO incidents_searchtext (alert_id, search_text) SELECT a.id, a.search_text FROM {source} ON CONFLICT (alert_id)"
        " DO UPDATE SET search_text = excluded.search_text WHERE incidents_searchtext.search_text <> excluded.search_text"
    )
    bulk.run(sql, [parameter])


def forget() -> int:
    """Forget those of incidents that are over; returns how many those were."""
    over = SearchText.objects.filter(alert__incident__resolved_at__isnull=False)
    total = 0
    while pks := list(over.values_list("pk", flat=True)[:CHUNK]):
        with transaction.atomic():
            correlation_lock.hold()  # an incident may open again meanwhile
            total += over.filter(pk__in=pks).delete()[0]
    return total
