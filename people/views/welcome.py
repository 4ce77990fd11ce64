"""The page of a one-time link, on which a person sets a password and is signed in."""

from __future__ import annotations

from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import SetPasswordForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from people import sessions, staffing
from people.models import Invitation

BACKEND = "django.contrib.auth.backends.ModelBackend"


@login_not_required
@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def welcome(request: HttpRequest, secret: str) -> HttpResponse:
    invitation = Invitation.find(secret)
    if invitation is None:
        return _works_no_longer(request)
    form = SetPasswordForm(invitation.user, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            user = staffing.join(invitation, form.cleaned_data["new_password1"])
        except staffing.NotAllowed:
            return _works_no_longer(request)
        logout(request)
        login(request, user, backend=BACKEND)
        sessions.begin(request, user)
        return redirect("incidents:feed")
    return render(request, "people/welcome.html", {"form": form, "person": invitation.user})


def _works_no_longer(request: HttpRequest) -> HttpResponse:
    return render(request, "people/welcome.html", {"form": None})
