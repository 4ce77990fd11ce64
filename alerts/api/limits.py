"""Limits of the requests for some resources (docs/wire-contract.md §2.7)."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import cache

from alerts.ingest.event_limit import TooManyRequests

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RequestLimit:
    """Limit of the requests for a resource by one person or org token in a second or a minute."""

    resource: str
    setting: str
    seconds: int = 1

    def check(self, sender: int) -> None:
        """Count a request. Raise TooManyRequests where the limit is exceeded."""
        limit: int = getattr(settings, self.setting)
        requests, window = "request" if limit == 1 else "requests", "second" if self.seconds == 1 else "minute"
        message = f"You sent more than {limit} {requests} for {self.resource} in this {window}."
        _count(f"requests:{self.resource}:{sender}", 1, limit=limit, seconds=self.seconds, message=message)


PATTERN_REQUESTS = RequestLimit("correlation-patterns", "PATTERN_REQUESTS_PER_SECOND")
BATCH_RESOLVES = RequestLimit("batch-resolve", "BATCH_RESOLVES_PER_SECOND")
V1_REQUESTS = RequestLimit("v1.0/incidents", "V1_REQUESTS_PER_MINUTE", seconds=60)


def _count(name: str, count: int, *, limit: int, seconds: int, message: str) -> None:
    """Count against a limit, where 0 means no limit. With the cache away, nothing is limited."""
    if not limit:
        return
    window, passed = divmod(int(time.time()), seconds)
    if _counted(f"{name}:{window}", count, 2 * seconds) > limit:
        raise TooManyRequests(message, limit=limit, reset=seconds - passed)


def _counted(name: str, count: int, kept_seconds: int) -> int:
    try:
        cache.add(name, 0, timeout=kept_seconds)
        return int(cache.incr(name, count))
    except Exception as error:  # noqa: BLE001 - each cache has errors of its own, and no error may cost an event
        logger.warning("limits: not counted, the cache is away: %s", error)
        return 0
