"""A person's own page: password, API keys and browser sessions."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from people import audit, keys, sessions
from people.access import SignedInRequest
from people.audit import Change
from people.confirmation import confirmed
from people.forms import ApiKeyForm, PasswordForm, PreferencesForm
from people.models import ApiKey, BrowserSession


@require_safe
def me(request: SignedInRequest) -> HttpResponse:
    return page(request)


@require_POST
def password(request: SignedInRequest) -> HttpResponse:
    """Set a new password. It ends every other session of this person, and the API keys unless the person keeps them."""
    form = PasswordForm(request.user, request.POST)
    if not form.is_valid():
        return page(request, password_form=form)
    with transaction.atomic():
        form.save()
        audit.record(request.user, request.user, Change.CHANGED, old={"password": 1}, new={"password": 2})
        BrowserSession.objects.filter(user=request.user).end()
        ended = form.end_chosen_keys()
    update_session_auth_hash(request, request.user)
    sessions.begin(request, request.user)
    told = f" {ended} API key{'' if ended == 1 else 's'} ended, too." if ended else ""
    messages.success(
        request, f"Your password is changed. Wherever else you were signed in, you are not any more.{told}"
    )
    return redirect("me:page")


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
    BrowserSession.objects.filter(user=request.user, pk=pk).end()
    messages.success(request, "That browser is signed out.")
    return redirect("me:page")


@require_POST
def end_other_sessions(request: SignedInRequest) -> HttpResponse:
    mine = BrowserSession.objects.filter(user=request.user)
    mine.exclude(session_key=request.session.session_key).end()
    messages.success(request, "You are signed out everywhere but here.")
    return redirect("me:page")


def page(request: SignedInRequest, **more: Any) -> HttpResponse:
    context = {
        "preferences_form": PreferencesForm(instance=request.user),
        "password_form": PasswordForm(request.user),
        "key_form": ApiKeyForm(),
        "sessions": BrowserSession.objects.filter(user=request.user).live(),
        "session_key": request.session.session_key,
        "api_keys": ApiKey.objects.filter(user=request.user),
        **more,
    }
    return render(request, "people/me.html", context)
