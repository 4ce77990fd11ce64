"""Tell open pages that something changed. A nudge carries no data: each page fetches what it may see."""

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
    """Say that these incidents changed, or without any that something did; with no broker pages find out by polling. A lost nudge costs one poll."""
    if not settings.REDIS_URL:
        return
    try:
        _connection().publish(CHANNEL, ",".join(map(str, incidents)) if len(incidents) <= NAMED_AT_MOST else "")
    except redis.RedisError as error:
        logger.warning("live: the nudge was lost, pages poll: %s", error)


@cache
def _connection() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)
