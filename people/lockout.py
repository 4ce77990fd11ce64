"""Limits of failed sign-ins: for one name from one address, for one address, and in all. django-axes stores the failures.

An administrator can end the lock of a name. Only failures count, so nobody who knows the password meets a limit that
others have reached, unless both are at one address.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any

from axes.models import AccessAttempt
from axes.utils import reset
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.db import transaction
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from people import audit
from people.addresses import client_address, counted_address
from people.audit import Change
from people.models import AuditEntry, BrowserSession, User

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nobody may try to sign in just now, and until when."""

    reason: str  # "name", "address" or "all"
    until: datetime

    @property
    def minutes(self) -> int:
        """Return the minutes until then, rounded up."""
        return max(1, ceil((self.until - timezone.now()).total_seconds() / 60))


def refusal(request: HttpRequest, name: str) -> Refusal | None:
    """Return why a sign-in is refused before the password is looked at, or None. axes itself refuses a locked name."""
    recent, address = _recent(), counted_address(request)
    if until := _full_until(recent.filter(ip_address=address), settings.FAILURES_PER_ADDRESS):
        return Refusal("address", until)
    until = _full_until(recent, settings.FAILURES_IN_ALL)
    if until and not _is_known(name, client_address(request)):
        return Refusal("all", until)
    return None


def _recent() -> QuerySet[AccessAttempt]:
    since = timezone.now() - settings.AXES_COOLOFF_TIME
    recent: QuerySet[AccessAttempt] = AccessAttempt.objects.filter(attempt_time__gt=since)
    return recent


def _full_until(attempts: QuerySet[AccessAttempt], limit: int) -> datetime | None:
    """Return when there will be fewer failures than the limit, or None if there are fewer."""
    left = attempts.aggregate(failures=Sum("failures_since_start", default=0))["failures"]
    if left < limit:
        return None
    for at, failures in attempts.order_by("attempt_time").values_list("attempt_time", "failures_since_start"):
        left -= failures
        if left < limit:
            return at + settings.AXES_COOLOFF_TIME  # type: ignore[no-any-return]
    return None


def _is_known(name: str, address: str | None) -> bool:
    """Return whether the person is or was lately signed in at this address. A flood from elsewhere does not keep such a person out."""
    return BrowserSession.objects.filter(user__username=name, address=address or "").exists()


def answer_refusal(request: HttpRequest, name: str, why: Refusal) -> HttpResponse:
    """Record the refusal, and render the sign-in page that says when the next try is possible."""
    _count(request, Change.SIGN_IN_REFUSED, "", failures_of=why.reason)
    return _page(request, name, why)


def answer(request: HttpRequest, response: HttpResponse, credentials: dict[str, Any] | None) -> HttpResponse:
    """Render the sign-in page for a name that axes has locked for an address."""
    name = (credentials or {}).get("username", "")
    if getattr(request, "axes_failures_since_start", None) == settings.AXES_FAILURE_LIMIT:
        for user in User.objects.filter(username=name):
            told = {"failures": settings.AXES_FAILURE_LIMIT, "from": client_address(request)}
            audit.record(None, user, Change.LOCKED, new=told)
    attempts = _recent().filter(username=name, ip_address=counted_address(request))
    until = _full_until(attempts, settings.AXES_FAILURE_LIMIT) or timezone.now() + settings.AXES_COOLOFF_TIME
    return _page(request, name, Refusal("name", until))


def _page(request: HttpRequest, name: str, why: Refusal) -> HttpResponse:
    context = {
        "form": AuthenticationForm(),
        "refusal": why,
        "locked_name": name,
        "next": request.POST.get("next", ""),
    }
    return render(request, "people/sign_in.html", context, status=429)


def note_failure(request: HttpRequest, name: str) -> None:
    """Record a wrong password, or a name that is not known, in the log and in the audit log."""
    logger.warning("Sign-in failed for %r from %s", name, client_address(request))
    _count(request, Change.SIGN_IN_FAILED, name)


@transaction.atomic
def _count(request: HttpRequest, change: Change, name: str, **about: str) -> None:
    """Record a failure. Repeated ones of a name, an address and a minute are one entry with their number, so nobody can flood the log."""
    subject = User.objects.filter(username=name).first() or User(username=name)
    minute = timezone.now().replace(second=0, microsecond=0)
    alike = AuditEntry.objects.filter(at__gte=minute, change=change, entity_name=str(subject)[: audit.NAME_LIMIT])
    if about.get("failures_of") != "all":
        alike = alike.filter(address=client_address(request) or "")
    entry = alike.select_for_update().order_by("pk").first()
    if entry is None:
        audit.record(None, subject, change, new={**about, "attempts": 1})
        return
    for each in entry.changes:
        if each["propertyPath"] == "attempts":
            each["newValue"] += 1
    entry.save(update_fields=["changes"])


def locked_names() -> set[str]:
    """Return the names that are locked now, from any address."""
    tried = _recent().values("username", "ip_address")
    locked = tried.annotate(failures=Sum("failures_since_start")).filter(failures__gte=settings.AXES_FAILURE_LIMIT)
    return set(locked.values_list("username", flat=True))


def unlock(user: User) -> bool:
    """Forget the failures of a name. Return whether there were any."""
    return bool(reset(username=user.username))
