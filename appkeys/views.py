"""Integrations and org tokens, for administrators."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import F, Max, Sum
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from appkeys.commands import TestAlert
from appkeys.forms import AppKeyForm, OrgTokenForm
from appkeys.models import AppKey, OrgToken
from people.access import SignedInRequest, administrators_only

GUIDELINE = 300  # "a few hundred" events an hour, shown and not enforced
REPAIRS_SHOWN = 20


@administrators_only
@require_safe
def integrations(request: SignedInRequest) -> HttpResponse:
    context = {
        "app_keys": AppKey.objects.select_related("created_by"),
        "has_token": OrgToken.objects.filter(deactivated_at=None).exists(),
    }
    return render(request, "appkeys/list.html", context)


@administrators_only
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: SignedInRequest) -> HttpResponse:
    """Name an integration; the answer shows its secrets, once, and is stored nowhere."""
    form = AppKeyForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            issued = form.issue(by=request.user)
        if issued:
            app_key, secret, token = issued
            return render(request, "appkeys/detail.html", _context(request, app_key, secret=secret, token=token))
    return render(request, "appkeys/new.html", {"form": form})


@administrators_only
@require_safe
def detail(request: SignedInRequest, pk: int) -> HttpResponse:
    return render(request, "appkeys/detail.html", _context(request, get_object_or_404(AppKey, pk=pk)))


@administrators_only
@require_safe
def status(request: SignedInRequest, pk: int) -> HttpResponse:
    """Whether anything was received yet: the part of an integration's page that turns by itself."""
    app_key = get_object_or_404(AppKey, pk=pk)
    return render(request, "appkeys/_status.html", {"app_key": app_key, "latest_alert": _latest_alert(app_key)})


@administrators_only
@require_http_methods(["GET", "HEAD", "POST"])
def deactivate(request: SignedInRequest, pk: int) -> HttpResponse:
    app_key = get_object_or_404(AppKey, pk=pk)
    if request.method == "POST":
        app_key.deactivate(by=request.user)
        messages.success(request, f"{app_key.name} is deactivated: what its senders send is refused from now on.")
        return redirect("appkeys:detail", app_key.pk)
    return render(request, _confirmation(request), {"app_key": app_key, "partial": "appkeys/_deactivate.html"})


@administrators_only
@require_POST
def activate(request: SignedInRequest, pk: int) -> HttpResponse:
    app_key = get_object_or_404(AppKey, pk=pk)
    app_key.activate(by=request.user)
    messages.success(request, f"{app_key.name} is active again, with the same App Key.")
    return redirect("appkeys:detail", app_key.pk)


@administrators_only
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: SignedInRequest) -> HttpResponse:
    """The org tokens, and a form for another one; the answer to it shows the new secret, once."""
    form = OrgTokenForm(request.POST if request.method == "POST" else None)
    context: dict[str, Any] = {"form": form}
    if request.method == "POST" and form.is_valid() and (issued := form.issue(by=request.user)):
        context = {"form": OrgTokenForm(), "issued": issued[0], "secret": issued[1]}
    return render(request, "appkeys/tokens.html", {**context, "tokens": OrgToken.objects.select_related("created_by")})


@administrators_only
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: SignedInRequest, pk: int) -> HttpResponse:
    token = get_object_or_404(OrgToken, pk=pk)
    if request.method == "POST":
        token.deactivate(by=request.user)
        messages.success(request, f"The org token {token.name} is revoked: whoever uses it is refused from now on.")
        return redirect("appkeys:tokens")
    return render(request, _confirmation(request), {"token": token, "partial": "appkeys/_revoke.html"})


@administrators_only
@require_POST
def restore(request: SignedInRequest, pk: int) -> HttpResponse:
    token = get_object_or_404(OrgToken, pk=pk)
    token.activate(by=request.user)
    messages.success(request, f"The org token {token.name} works again.")
    return redirect("appkeys:tokens")


def _context(request: SignedInRequest, app_key: AppKey, *, secret: str = "", token: str = "") -> dict[str, Any]:
    return {
        "app_key": app_key,
        "secret": secret,
        "token": token,
        "commands": TestAlert(request.build_absolute_uri(reverse("alerts")), app_key.name, app_key=secret, token=token),
        "latest_alert": _latest_alert(app_key),
        "traffic": _traffic(app_key),
        "repairs": app_key.repairs.all()[:REPAIRS_SHOWN],
    }


def _traffic(app_key: AppKey) -> dict[str, Any]:
    """What it sent in the last 24 hours, and its busiest hour beside BigPanda's guideline (bigpanda.md §1.6)."""
    since = timezone.now() - timedelta(hours=24)
    hours = app_key.traffic.filter(hour__gte=since).annotate(events=F("accepted") + F("duplicates"))
    totals: dict[str, Any] = hours.aggregate(
        busiest=Max("events", default=0),
        accepted=Sum("accepted", default=0),
        duplicates=Sum("duplicates", default=0),
        rejected=Sum("rejected", default=0),
    )
    return {**totals, "guideline": GUIDELINE, "is_over": totals["busiest"] > GUIDELINE}


def _latest_alert(app_key: AppKey) -> Any:
    """The latest of its alerts that has an incident to look at."""
    return app_key.alerts.filter(incident__isnull=False).select_related("incident").order_by("-pk").first()


def _confirmation(request: SignedInRequest) -> str:
    """A question stands in a dialog, or on a page of its own where there are no scripts."""
    return "components/_confirm.html" if request.htmx.target == "dialog" else "components/confirm.html"
