"""Lock-out after too many wrong passwords, for one name and one address. django-axes counts them, and an administrator can end a lock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from axes.models import AccessAttempt
from axes.utils import reset
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.db import transaction
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from people import audit
from people.audit import Change
from people.models import User
from people.sessions import client_address


def answer(request: HttpRequest, response: HttpResponse, credentials: dict[str, Any] | None) -> HttpResponse:
    """Render the sign-in page, which says that the name is locked and for how long."""
    name = (credentials or {}).get("username", "")
    if getattr(request, "axes_failures_since_start", None) == settings.AXES_FAILURE_LIMIT:
        for user in User.objects.filter(username=name):
            told = {"failures": settings.AXES_FAILURE_LIMIT, "from": client_address(request)}
            audit.record(None, user, Change.LOCKED, new=told)
    minutes = settings.AXES_COOLOFF_TIME // timedelta(minutes=1)
    context = {
        "form": AuthenticationForm(),
        "locked_name": name,
        "minutes": minutes,
        "next": request.POST.get("next", ""),
    }
    return render(request, "people/sign_in.html", context, status=429)


def locked_names() -> set[str]:
    """Return the names that are locked now, from any address."""
    since = timezone.now() - settings.AXES_COOLOFF_TIME
    tried = AccessAttempt.objects.filter(attempt_time__gt=since).values("username", "ip_address")
    locked = tried.annotate(failures=Sum("failures_since_start")).filter(failures__gte=settings.AXES_FAILURE_LIMIT)
    return set(locked.values_list("username", flat=True))


@transaction.atomic
def unlock(user: User, *, by: User) -> None:
    """Let a person sign in again at once."""
    if reset(username=user.username):
        audit.record(by, user, Change.UNLOCKED)
