"""Browser sessions from sign-in to their end."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from django.contrib.auth import update_session_auth_hash
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from db import outage
from people import audit
from people.addresses import client_address
from people.audit import Change
from people.models import BrowserSession, User
from people.session_store import BEGAN, SessionStore, stored

NOTED_EVERY = 60  # seconds
SEEN = "seen_at"
CONFIRMED = "confirmed_at"  # when the person last gave the password
NAMED_AT_MOST = 20  # browsers in one entry of the audit log


def note_password(*, request: HttpRequest, **_: Any) -> None:
    """Receive Django's signal of a sign-in: the times of the session begin, and the person has just given the password."""
    request.session[BEGAN] = request.session[SEEN] = request.session[CONFIRMED] = int(time.time())


def begin(request: HttpRequest, user: User) -> None:
    """Record a sign-in."""
    request.session.save()
    browser = BrowserSession.objects.create(
        user=user,
        session_key=stored_key(request),
        user_agent=request.headers.get("User-Agent", "")[:300],
        address=client_address(request) or "",
        last_seen_at=timezone.now(),
    )
    audit.record(user, user, Change.SIGNED_IN, new={"browser": browser.device})


@transaction.atomic
def end(browsers: QuerySet[BrowserSession], *, of: User, by: User) -> int:
    """Sign a person out of browsers, and return their number."""
    ended = BrowserSession.objects.filter(pk__in=browsers.values("pk"), user=of)
    live = list(ended.live()[: NAMED_AT_MOST + 1])
    if live:
        named = [f"{each.device} at {each.address or 'an unknown address'}" for each in live[:NAMED_AT_MOST]]
        audit.record(
            by,
            of,
            Change.SESSIONS_ENDED,
            old={"browsers": named if len(live) <= NAMED_AT_MOST else [*named, "and more"]},
        )
    return ended.end()


def renew(request: HttpRequest, user: User) -> None:
    """Keep this browser signed in after its person chose another password. The session gets another key."""
    browser = BrowserSession.objects.filter(session_key=stored_key(request))
    update_session_auth_hash(request, user)
    request.session[CONFIRMED] = int(time.time())
    browser.update(session_key=stored_key(request))


def note_sign_out(request: HttpRequest) -> None:
    """Record that a person signs out, before the session is emptied."""
    if isinstance(request.user, User):
        BrowserSession.objects.filter(session_key=stored_key(request)).delete()
        audit.record(request.user, request.user, Change.SIGNED_OUT)


def stored_key(request: HttpRequest) -> str:
    """Return the key under which the session of this browser is stored."""
    return stored(request.session.session_key or "")


def note_watching(session: SessionStore) -> None:
    """Record, to the minute, that a browser watches live updates. That counts as use of its session."""
    now = timezone.now()
    browser = BrowserSession.objects.filter(session_key=session.stored_key)
    recently = now - timedelta(seconds=NOTED_EVERY)

    def note() -> None:
        if browser.filter(last_seen_at__lt=recently).update(last_seen_at=now):
            session.stay_alive()

    outage.try_to_note("that a browser watches live updates", note)


def note_last_seen(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware that records, to the minute, when a browser was last seen."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        seen = request.session.get(SEEN) if request.COOKIES else None
        if seen and time.time() - seen > NOTED_EVERY:
            mine = BrowserSession.objects.filter(session_key=stored_key(request))
            change = partial(mine.update, last_seen_at=timezone.now())
            if outage.try_to_note("the time at which a browser was last seen", change):
                request.session[SEEN] = int(time.time())
                request.session.setdefault(BEGAN, int(time.time()))  # a session from before there was an end
        return get_response(request)

    return middleware
