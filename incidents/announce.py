"""Announcements to open pages that incidents changed (docs/how-it-works.md §9).

An announcement carries no data. Each page fetches what its user may see.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from functools import cache

import redis
from django.conf import settings

logger = logging.getLogger(__name__)
CHANNEL = "console:changed"
NAMED_AT_MOST = 500


def announce(incidents: Collection[int] = ()) -> None:
    """Announce that these incidents changed, or without incidents that something changed.

    Without a broker, pages poll. A lost announcement delays a page until its next poll.
    """
    if not settings.REDIS_URL:
        return
    try:
        _connection().publish(CHANNEL, ",".join(map(str, incidents)) if len(incidents) <= NAMED_AT_MOST else "")
    except redis.RedisError as error:
        logger.warning("announce: the announcement was lost, pages poll: %s", error)


@cache
def _connection() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)
