"""Search texts of open incidents (incidents.models.SearchText): one row for each alert whose incident is open.

Correlation writes the search text of an alert, and calls this module in the same transaction. When an incident
reopens, all of its alerts get rows again. A periodic task deletes the rows of resolved incidents.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from django.db import connection, transaction

from db import bulk
from incidents import correlation_lock
from incidents.models import SearchText

CHUNK = 1000  # rows deleted in one transaction


def keep(alerts: Collection[int]) -> None:
    """Store the search texts of these alerts. Alerts without an incident get no row."""
    _keep("id", alerts)


def keep_of(incidents: Collection[int]) -> None:
    """Store the search texts of all alerts of these incidents."""
    _keep("incident_id", incidents)


def _keep(column: str, keys: Collection[int]) -> None:
    if not keys:
        return
    of_each = f"alerts_alert a WHERE a.{column} = k.key AND a.incident_id IS NOT NULL"
    if connection.vendor == "postgresql":
        # A lateral look-up is always an index scan. A cached plan of a join becomes slow while the table grows.
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
    """Delete the rows of resolved incidents. Return the number of deleted rows."""
    over = SearchText.objects.filter(alert__incident__resolved_at__isnull=False)
    total = 0
    while pks := list(over.values_list("pk", flat=True)[:CHUNK]):
        with transaction.atomic():
            correlation_lock.hold()  # no incident can reopen until the commit
            total += over.filter(pk__in=pks).delete()[0]
    return total
