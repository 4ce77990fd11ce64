"""The limit of the events of one App Key (docs/wire-contract.md §2.7).

An App Key has an allowance of one minute's events, which fills up at a steady rate. So a burst is allowed, and a sender
that never pauses gets its rate. One number per App Key is enough (the generic cell rate algorithm): the time at which
its allowance is full again.

Each web process counts by itself. A count that the processes share would cost the fast path more than storing an event.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from threading import Lock

from django.conf import settings
from rest_framework.exceptions import APIException

from alerts.events import IncomingEvent
from appkeys.models import AppKey

WINDOW_SECONDS = 60
_ROUNDING = 1e-6  # seconds

_full_at: dict[int, float] = {}  # by the number of the App Key, on the monotonic clock
_lock = Lock()


class TooManyRequests(APIException):
    """A 429 reply with the headers that tell a sender when to try again."""

    status_code = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, message: str, *, limit: int, reset: int) -> None:
        super().__init__(f"{message} Try again in {reset} s.")
        self.headers = {
            "Retry-After": reset,
            "RateLimit-Limit": limit,
            "RateLimit-Remaining": 0,
            "RateLimit-Reset": reset,
        }


def count(sent: Sequence[tuple[AppKey, IncomingEvent]], limit: int | None = None) -> None:
    """Count events. Raise TooManyRequests, and count none, where one App Key may not send so many now.

    `limit` is the setting, for a caller that knows it: reading a setting of Django costs as much as the rest.
    """
    if limit is None:
        limit = settings.EVENTS_PER_MINUTE
    if not limit or not sent:
        return
    now = time.monotonic()
    if len(sent) == 1:
        app_key = sent[0][0]
        with _lock:
            _full_at[app_key.id] = _full_after(app_key, WINDOW_SECONDS / limit, now, limit)
        return
    app_keys = {app_key.id: app_key for app_key, _ in sent}
    numbers = Counter(app_key.id for app_key, _ in sent)
    with _lock:
        _full_at.update(
            {
                pk: _full_after(app_keys[pk], number * WINDOW_SECONDS / limit, now, limit)
                for pk, number in numbers.items()
            }
        )


def check(app_key: AppKey) -> None:
    """Raise TooManyRequests where an App Key may not send one more event. This check comes before an expensive validation."""
    if limit := settings.EVENTS_PER_MINUTE:
        _full_after(app_key, WINDOW_SECONDS / limit, time.monotonic(), limit)


def _full_after(app_key: AppKey, cost: float, now: float, limit: int) -> float:
    """Return when the allowance is full again after events that cost so many seconds of it. Raise TooManyRequests.

    A batch that costs more than the whole allowance is accepted once the allowance is full.
    """
    used_until = max(_full_at.get(app_key.id, now), now)
    lacking = used_until - now + min(cost, WINDOW_SECONDS) - WINDOW_SECONDS
    if lacking > _ROUNDING:
        message = f"The integration {app_key.name!r} sent more than {limit} events in a minute."
        raise TooManyRequests(message, limit=limit, reset=math.ceil(lacking))
    return used_until + cost


def forget() -> None:
    """Give every App Key its whole allowance."""
    _full_at.clear()
