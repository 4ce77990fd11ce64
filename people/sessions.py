"""Where somebody is signed in, from the sign-in on."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from people.models import BrowserSession, User

NOTED_EVERY = 60  # seconds
SEEN = "seen_at"


def client_address(request: HttpRequest) -> str | None:
    """Where a request comes from. The web server has put what its proxies say in its place, where it trusts them (FORWARDED_ALLOW_IPS)."""
    return request.META.get("REMOTE_ADDR") or None


def begin(request: HttpRequest, user: User) -> None:
    """Remember a sign-in that just happened."""
    request.session[SEEN] = int(time.time())
    request.session.save()
    BrowserSession.objects.create(
        user=user,
        session_key=request.session.session_key or "",
        user_agent=request.headers.get("User-Agent", "")[:300],
        address=client_address(request) or "",
        last_seen_at=timezone.now(),
    )


def note_last_seen(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: remembers, to the minute, when a browser was last seen."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        seen = request.session.get(SEEN) if request.COOKIES else None
        if seen and time.time() - seen > NOTED_EVERY:
            request.session[SEEN] = int(time.time())
            BrowserSession.objects.filter(session_key=request.session.session_key).update(last_seen_at=timezone.now())
        return get_response(request)

    return middleware
