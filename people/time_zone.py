"""The reader's time zone in pages and forms."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from people.models.preferences import time_zones


def in_their_zone(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware that activates the zone a person chose, otherwise the one that the browser names in a cookie, otherwise UTC."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        name = getattr(request.user, "time_zone", "") or request.COOKIES.get("zone", "")
        with timezone.override(ZoneInfo(name) if name in time_zones() else None):
            return get_response(request)

    return middleware
