"""Passwords that somebody else knows: the first administrator's, and what a command set. Nothing works until the person chose another one."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from people.models import User

ALWAYS_OPEN = ("me:password", "logout", "theme")


def ask_for_own_password(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware that leads to the form for a new password from every page that needs a sign-in."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if not isinstance(request.user, User) or not request.user.must_change_password:
            return get_response(request)
        form = reverse("me:password")
        if request.path in map(reverse, ALWAYS_OPEN):
            return get_response(request)
        if request.htmx:  # type: ignore[attr-defined] # of HtmxMiddleware
            return HttpResponseClientRedirect(form)
        return redirect(form)

    return middleware
