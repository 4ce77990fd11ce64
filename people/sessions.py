"""Browser sessions from sign-in to their end."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from db import outage
from people.models import BrowserSession, User

NOTED_EVERY = 60  # seconds
SEEN = "seen_at"
CONFIRMED = "confirmed_at"  # when the person last gave the password


def client_address(request: HttpRequest) -> str | None:
    """Return the address of the client. The web server has replaced it by the one that a trusted proxy reports (FORWARDED_ALLOW_IPS)."""
    return request.META.get("REMOTE_ADDR") or None


def note_password(*, request: HttpRequest, **_: Any) -> None:
    """Receive Django's signal of a sign-in: note in the session that the person has just given the password."""
    request.session[CONFIRMED] = int(time.time())


def begin(request: HttpRequest, user: User) -> None:
    """Record a sign-in."""
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
    """Middleware that records, to the minute, when a browser was last seen."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        seen = request.session.get(SEEN) if request.COOKIES else None
        if seen and time.time() - seen > NOTED_EVERY:
            mine = BrowserSession.objects.filter(session_key=request.session.session_key)
            change = partial(mine.update, last_seen_at=timezone.now())
            if outage.try_to_note("the time at which a browser was last seen", change):
                request.session[SEEN] = int(time.time())
        return get_response(request)

    return middleware
