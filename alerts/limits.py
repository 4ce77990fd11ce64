"""The limit of events per App Key and minute: a setting, off by default (bigpanda.md §1.6)."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from http import HTTPStatus

from django.conf import settings
from django.core.cache import cache
from rest_framework.exceptions import APIException

from appkeys.models import AppKey

logger = logging.getLogger(__name__)
WINDOW_SECONDS = 60


class TooManyEvents(APIException):
    """429, with what a sender needs to know to try again."""

    status_code = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, app_key: AppKey, reset: int) -> None:
        limit = settings.EVENTS_PER_MINUTE
        super().__init__(
            f"The integration {app_key.name!r} sent more than {limit} events in this minute. Try again in {reset} s."
        )
        self.headers = {
            "Retry-After": reset,
            "RateLimit-Limit": limit,
            "RateLimit-Remaining": 0,
            "RateLimit-Reset": reset,
        }


def check(events: Mapping[AppKey, int]) -> None:
    """Count events against their App Keys' limits. Raises TooManyEvents where one is over; with the cache away, everything is let through."""
    if not settings.EVENTS_PER_MINUTE:
        return
    window, passed = divmod(int(time.time()), WINDOW_SECONDS)
    for app_key, count in events.items():
        if _counted(f"events:{app_key.pk}:{window}", count) > settings.EVENTS_PER_MINUTE:
            raise TooManyEvents(app_key, WINDOW_SECONDS - passed)


def _counted(name: str, count: int) -> int:
    try:
        cache.add(name, 0, timeout=2 * WINDOW_SECONDS)
        return int(cache.incr(name, count))
    except Exception as error:  # noqa: BLE001 - each cache has errors of its own, and none of them may cost an event
        logger.warning("limits: not counted, the cache is away: %s", error)
        return 0
