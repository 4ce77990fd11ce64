"""Pages of people: invite, edit and deactivate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db.models.functions import Lower
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from people import lockout, staffing
from people.access import SignedInRequest, may_change, may_see
from people.confirmation import confirmed
from people.forms import PersonForm
from people.models import Area, BrowserSession, Invitation, User


@may_see(Area.PEOPLE)
@require_safe
def people(request: SignedInRequest) -> HttpResponse:
    everybody = User.objects.select_related("role", "invitation").order_by("-is_active", Lower("username"))
    return render(request, "people/list.html", {"people": everybody, "locked": lockout.locked_names()})


@may_change(Area.PEOPLE)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@confirmed
def invite(request: SignedInRequest) -> HttpResponse:
    """Invite a person. The response shows the link, once; it is stored nowhere."""
    form = PersonForm(request.POST if request.method == "POST" else None, by=request.user)
    if request.method == "POST" and form.is_valid() and (secret := form.invite()):
        return _person(request, form.instance, link=_link(request, secret))
    return render(request, "people/invite.html", {"form": form})


@may_see(Area.PEOPLE)
@require_safe
def person(request: SignedInRequest, pk: int) -> HttpResponse:
    return _person(request, get_object_or_404(User, pk=pk))


@may_change(Area.PEOPLE)
@require_POST
@confirmed
def change(request: SignedInRequest, pk: int) -> HttpResponse:
    user = get_object_or_404(User, pk=pk)
    try:
        staffing.within_reach(user, request.user)
    except staffing.NotAllowed as refusal:
        return _refused(request, user, refusal)
    form = PersonForm(request.POST, instance=user, by=request.user)
    if not form.is_valid() or not form.change():
        return _person(request, User.objects.get(pk=user.pk), form=form)
    messages.success(request, f"{user.shown_name} is changed.")
    return redirect("people:person", user.pk)


@may_change(Area.PEOPLE)
@never_cache
@require_POST
@confirmed
def link(request: SignedInRequest, pk: int) -> HttpResponse:
    """Make a new link that sets a password, for a person who lost the first link or the password."""
    user = get_object_or_404(User, pk=pk)
    try:
        secret = staffing.renew_link(user, by=request.user)
    except staffing.NotAllowed as refusal:
        return _refused(request, user, refusal)
    return _person(request, user, link=_link(request, secret))


@may_change(Area.PEOPLE)
@require_POST
@confirmed
def deactivate(request: SignedInRequest, pk: int) -> HttpResponse:
    user = get_object_or_404(User, pk=pk)
    return _done(
        request,
        user,
        lambda: staffing.deactivate(user, by=request.user),
        f"{user.shown_name} is deactivated and signed out everywhere.",
    )


@may_change(Area.PEOPLE)
@require_POST
@confirmed
def activate(request: SignedInRequest, pk: int) -> HttpResponse:
    user = get_object_or_404(User, pk=pk)
    return _done(
        request,
        user,
        lambda: staffing.activate(user, by=request.user),
        f"{user.shown_name} may sign in again, with the password of before.",
    )


@may_change(Area.PEOPLE)
@require_POST
def unlock(request: SignedInRequest, pk: int) -> HttpResponse:
    user = get_object_or_404(User, pk=pk)
    return _done(
        request, user, lambda: staffing.unlock(user, by=request.user), f"{user.shown_name} can try to sign in again."
    )


@may_change(Area.PEOPLE)
@require_POST
def end_sessions(request: SignedInRequest, pk: int) -> HttpResponse:
    user = get_object_or_404(User, pk=pk)
    return _done(
        request,
        user,
        lambda: staffing.end_sessions(user, by=request.user),
        f"{user.shown_name} is signed out everywhere.",
    )


@may_change(Area.PEOPLE)
@require_POST
def revoke_key(request: SignedInRequest, pk: int, key: int) -> HttpResponse:
    user = get_object_or_404(User, pk=pk)
    revoked = get_object_or_404(user.api_keys, pk=key)
    return _done(
        request,
        user,
        lambda: staffing.revoke_key(revoked, by=request.user),
        f"The key {revoked.name} is revoked for good: whatever uses it is refused from now on.",
    )


def _done(request: SignedInRequest, user: User, change: Callable[[], None], said: str) -> HttpResponse:
    """Make a change of an account, and say so, or say why it is not allowed."""
    try:
        change()
    except staffing.NotAllowed as refusal:
        return _refused(request, user, refusal)
    messages.success(request, said)
    return redirect("people:person", user.pk)


def _person(request: SignedInRequest, user: User, **more: Any) -> HttpResponse:
    context = {
        "person": user,
        "form": PersonForm(instance=user, by=request.user),
        "sessions": BrowserSession.objects.filter(user=user).live(),
        "api_keys": user.api_keys.all(),
        "invitation": Invitation.objects.filter(user=user).first(),
        "is_locked": user.username in lockout.locked_names(),
        "may_be_changed": request.user.may_change(Area.PEOPLE) and not user.role.exceeds(request.user.role),
        **more,
    }
    return render(request, "people/person.html", context)


def _refused(request: SignedInRequest, user: User, refusal: staffing.NotAllowed) -> HttpResponse:
    messages.error(request, str(refusal))
    return redirect("people:person", user.pk)


def _link(request: SignedInRequest, secret: str) -> str:
    return request.build_absolute_uri(reverse("welcome", args=[secret]))
