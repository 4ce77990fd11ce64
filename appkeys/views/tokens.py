"""Pages of org tokens."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from appkeys.forms import OrgTokenForm
from appkeys.models import AppKey, OrgToken
from people.access import SignedInRequest, may_change, may_see
from people.confirmation import confirmed
from people.models import Area


@may_see(Area.INTEGRATIONS)
@require_safe
def tokens(request: SignedInRequest) -> HttpResponse:
    return _list(request)


@may_change(Area.INTEGRATIONS)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@confirmed
def new(request: SignedInRequest) -> HttpResponse:
    """Create an org token. The response shows its secret, once."""
    form = OrgTokenForm(request.POST if request.method == "POST" else None, by=request.user)
    if request.method == "POST" and form.is_valid() and (issued := form.issue(by=request.user)):
        return _list(request, issued=issued[0], secret=issued[1])
    return render(request, "appkeys/new_token.html", {"form": form, "app_keys": AppKey.objects.present()})


@may_change(Area.INTEGRATIONS)
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: SignedInRequest, pk: int) -> HttpResponse:
    token = get_object_or_404(OrgToken, pk=pk)
    if request.method == "POST":
        token.deactivate(by=request.user)
        messages.success(request, f"The org token {token.name} is revoked: whoever uses it is refused from now on.")
        return redirect("appkeys:tokens")
    # A question stands in a dialog, or on a page of its own where there are no scripts.
    template = "components/_confirm.html" if request.htmx.target == "dialog" else "components/confirm.html"
    return render(request, template, {"token": token, "partial": "appkeys/_revoke.html"})


@may_change(Area.INTEGRATIONS)
@require_POST
@confirmed
def restore(request: SignedInRequest, pk: int) -> HttpResponse:
    token = get_object_or_404(OrgToken, pk=pk)
    token.activate(by=request.user)
    messages.success(request, f"The org token {token.name} works again.")
    return redirect("appkeys:tokens")


def _list(request: SignedInRequest, **more: Any) -> HttpResponse:
    everyone = OrgToken.objects.select_related("created_by").prefetch_related("app_keys")
    return render(request, "appkeys/tokens.html", {"tokens": everyone, **more})
