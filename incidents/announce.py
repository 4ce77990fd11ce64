"""Announcements to open pages that incidents changed (docs/how-it-works.md §9).

An announcement carries no data. Each page fetches what its user may see.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

import redis
from django.conf import settings

from db.broker import TIMEOUTS, Guard

CHANNEL = "console:changed"
NAMED_AT_MOST = 500
_guard = Guard("announcements", meanwhile="web processes look for changes in the database")


def announce(incidents: Collection[int] = ()) -> None:
    """Announce that these incidents changed, or without incidents that something changed.

    Without a broker, pages poll. A lost announcement delays a page until its next poll.
    """
    if not settings.REDIS_URL:
        return
    named = ",".join(map(str, incidents)) if len(incidents) <= NAMED_AT_MOST else ""
    _guard.attempt(lambda: int(_connection().publish(CHANNEL, named)), lambda: 0)


@cache
def _connection() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, **TIMEOUTS)
