"""A person's own page: password, API keys and browser sessions."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from people import keys, sessions, staffing
from people.access import SignedInRequest
from people.confirmation import confirmed
from people.forms import ApiKeyForm, PasswordForm, PreferencesForm
from people.models import ApiKey, BrowserSession


@require_safe
def me(request: SignedInRequest) -> HttpResponse:
    return page(request)


@require_http_methods(["GET", "HEAD", "POST"])
def password(request: SignedInRequest) -> HttpResponse:
    """Set a new password. It ends every other session of this person, and the API keys unless the person keeps them."""
    user, was_forced = request.user, request.user.must_change_password
    form = PasswordForm(user, request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "people/password.html", {"password_form": form})
    with transaction.atomic():
        staffing.choose_password(user, form.cleaned_data["new_password1"])
        sessions.end(_others(request), of=user, by=user)
        ended = form.end_chosen_keys()
        sessions.renew(request, user)
    told = f" {ended} API key{'' if ended == 1 else 's'} ended, too." if ended else ""
    messages.success(
        request, f"Your password is changed. Wherever else you were signed in, you are not any more.{told}"
    )
    return redirect("incidents:feed" if was_forced else "me:page")


@never_cache
@require_POST
@confirmed
def new_key(request: SignedInRequest) -> HttpResponse:
    """Create an API key. The response shows it, once; it is stored nowhere."""
    form = ApiKeyForm(request.POST)
    issued = form.issue(request.user) if form.is_valid() else None
    if issued is None:
        return page(request, key_form=form)
    key, secret = issued
    return page(request, issued=key, secret=secret)


@require_POST
def revoke_key(request: SignedInRequest, pk: int) -> HttpResponse:
    key = get_object_or_404(request.user.api_keys, pk=pk)
    keys.revoke(key, by=request.user)
    messages.success(request, f"The key {key.name} is revoked: whatever uses it is refused from now on.")
    return redirect("me:page")


@require_POST
@confirmed
def restore_key(request: SignedInRequest, pk: int) -> HttpResponse:
    """Restore a key that its person revoked. A key that ended for another reason stays ended."""
    key = get_object_or_404(request.user.api_keys.filter(revoked_because=""), pk=pk)
    keys.restore(key, by=request.user)
    messages.success(request, f"The key {key.name} works again.")
    return redirect("me:page")


@require_POST
def end_session(request: SignedInRequest, pk: int) -> HttpResponse:
    """Sign out another browser of this person."""
    sessions.end(BrowserSession.objects.filter(pk=pk), of=request.user, by=request.user)
    messages.success(request, "That browser is signed out.")
    return redirect("me:page")


@require_POST
def end_other_sessions(request: SignedInRequest) -> HttpResponse:
    sessions.end(_others(request), of=request.user, by=request.user)
    messages.success(request, "You are signed out everywhere but here.")
    return redirect("me:page")


def _others(request: SignedInRequest) -> QuerySet[BrowserSession]:
    return BrowserSession.objects.exclude(session_key=sessions.stored_key(request))


def page(request: SignedInRequest, **more: Any) -> HttpResponse:
    context = {
        "preferences_form": PreferencesForm(instance=request.user),
        "password_form": PasswordForm(request.user),
        "key_form": ApiKeyForm(),
        "sessions": BrowserSession.objects.filter(user=request.user).live(),
        "session_key": sessions.stored_key(request),
        "api_keys": ApiKey.objects.filter(user=request.user),
        **more,
    }
    return render(request, "people/me.html", context)
