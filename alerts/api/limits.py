"""Rate limits: events of an App Key, off by default, and requests for some resources (docs/wire-contract.md §2.7)."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from django.conf import settings
from django.core.cache import cache
from rest_framework.exceptions import APIException

from appkeys.models import AppKey

logger = logging.getLogger(__name__)
WINDOW_SECONDS = 60  # of events


class TooMany(APIException):
    """429, with what a sender needs to know to try again."""

    status_code = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, said: str, *, limit: int, reset: int) -> None:
        super().__init__(f"{said} Try again in {reset} s.")
        self.headers = {
            "Retry-After": reset,
            "RateLimit-Limit": limit,
            "RateLimit-Remaining": 0,
            "RateLimit-Reset": reset,
        }


def check(events: Mapping[AppKey, int]) -> None:
    """Count events against their App Keys' limits. Raises TooMany where one is over."""
    limit = settings.EVENTS_PER_MINUTE
    for app_key, count in events.items():
        said = f"The integration {app_key.name!r} sent more than {limit} events in this minute."
        _count(f"events:{app_key.pk}", count, limit=limit, seconds=WINDOW_SECONDS, said=said)


@dataclass(frozen=True, slots=True)
class RequestLimit:
    """How many requests for a resource one person or org token may send in a second or a minute."""

    resource: str
    setting: str
    seconds: int = 1

    def check(self, who: int) -> None:
        """Count a request. Raises TooMany where it is one too many."""
        limit: int = getattr(settings, self.setting)
        requests, window = "request" if limit == 1 else "requests", "second" if self.seconds == 1 else "minute"
        said = f"You sent more than {limit} {requests} for {self.resource} in this {window}."
        _count(f"requests:{self.resource}:{who}", 1, limit=limit, seconds=self.seconds, said=said)


PATTERN_REQUESTS = RequestLimit("correlation-patterns", "PATTERN_REQUESTS_PER_SECOND")
BATCH_RESOLVES = RequestLimit("batch-resolve", "BATCH_RESOLVES_PER_SECOND")
V1_REQUESTS = RequestLimit("v1.0/incidents", "V1_REQUESTS_PER_MINUTE", seconds=60)


def _count(name: str, count: int, *, limit: int, seconds: int, said: str) -> None:
    """No limit is 0; with the cache away, everything is let through."""
    if not limit:
        return
    window, passed = divmod(int(time.time()), seconds)
    if _counted(f"{name}:{window}", count, 2 * seconds) > limit:
        raise TooMany(said, limit=limit, reset=seconds - passed)


def _counted(name: str, count: int, kept_seconds: int) -> int:
    try:
        cache.add(name, 0, timeout=kept_seconds)
        return int(cache.incr(name, count))
    except Exception as error:  # noqa: BLE001 - each cache has errors of its own, and none of them may cost an event
        logger.warning("limits: not counted, the cache is away: %s", error)
        return 0
