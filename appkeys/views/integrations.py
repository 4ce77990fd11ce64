"""Pages of integrations: the gallery of tools, and one App Key from its creation to its deletion."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, Max, Sum
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from appkeys import gallery
from appkeys.commands import TestAlert
from appkeys.forms import AppKeyForm, NameForm, RotateForm
from appkeys.models import AppKey, OrgToken
from people.access import SignedInRequest, may_change, may_see
from people.confirmation import confirmed
from people.models import Area

GUIDELINE = 300  # "a few hundred" events an hour, shown and not enforced
REPAIRS_SHOWN = 20


@may_see(Area.INTEGRATIONS)
@require_safe
def integrations(request: SignedInRequest) -> HttpResponse:
    context = {
        "app_keys": AppKey.objects.present().select_related("created_by"),
        "deleted": AppKey.objects.deleted(),
        "has_token": OrgToken.objects.filter(deactivated_at=None).exists(),
    }
    return render(request, "appkeys/list.html", context)


@may_change(Area.INTEGRATIONS)
@require_safe
def tools(request: SignedInRequest) -> HttpResponse:
    return render(request, "appkeys/tools.html", {"tools": gallery.TOOLS.values()})


@may_change(Area.INTEGRATIONS)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@confirmed
def new(request: SignedInRequest, slug: str) -> HttpResponse:
    """Create an integration. The response shows its secrets, once; they are stored nowhere."""
    tool = gallery.TOOLS.get(slug)
    if tool is None:
        raise Http404
    form = AppKeyForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            issued = form.issue(tool.slug, by=request.user)
        if issued:
            app_key, secret, token = issued
            return render(request, "appkeys/detail.html", _context(request, app_key, secret=secret, token=token))
    return render(request, "appkeys/new.html", {"form": form, "tool": tool})


@may_see(Area.INTEGRATIONS)
@require_safe
def detail(request: SignedInRequest, pk: int) -> HttpResponse:
    return render(request, "appkeys/detail.html", _context(request, _present(pk)))


@may_see(Area.INTEGRATIONS)
@require_safe
def status(request: SignedInRequest, pk: int) -> HttpResponse:
    """Show whether anything was received yet. This part of an integration's page refreshes by itself."""
    app_key = _present(pk)
    return render(
        request, "appkeys/_status.html", {"app_key": app_key, "latest_alert": _latest_alert(request, app_key)}
    )


@may_change(Area.INTEGRATIONS)
@require_POST
def rename(request: SignedInRequest, pk: int) -> HttpResponse:
    app_key = _present(pk)
    form = NameForm(request.POST)
    if not form.is_valid() or not form.rename(app_key, by=request.user):
        return render(request, "appkeys/detail.html", _context(request, _present(pk), name_form=form))
    messages.success(request, f"It is named {app_key.name} now.")
    return redirect("appkeys:detail", pk)


@may_change(Area.INTEGRATIONS)
@never_cache
@require_POST
@confirmed
def rotate(request: SignedInRequest, pk: int) -> HttpResponse:
    """Rotate the secret. The response shows the new secret, once. The old one works beside it for the chosen time."""
    app_key, form = _present(pk), RotateForm(request.POST)
    if not form.is_valid():
        return redirect("appkeys:detail", pk)
    secret = app_key.rotate(overlap=form.overlap, by=request.user)
    return render(request, "appkeys/detail.html", _context(request, app_key, secret=secret))


@may_change(Area.INTEGRATIONS)
@require_POST
def end_overlap(request: SignedInRequest, pk: int) -> HttpResponse:
    app_key = _present(pk)
    app_key.let_old_work_until(timezone.now(), by=request.user)
    messages.success(request, f"The old secret ending in {app_key.old_suffix} is refused from now on.")
    return redirect("appkeys:detail", pk)


@may_change(Area.INTEGRATIONS)
@require_POST
def prolong_overlap(request: SignedInRequest, pk: int) -> HttpResponse:
    """Let the old secret work for another day. This also undoes an overlap that was ended too early."""
    app_key = _present(pk)
    if app_key.old_digest:
        app_key.let_old_work_until(timezone.now() + timedelta(days=1), by=request.user)
        messages.success(request, f"The old secret ending in {app_key.old_suffix} works for another day.")
    return redirect("appkeys:detail", pk)


@may_change(Area.INTEGRATIONS)
@require_http_methods(["GET", "HEAD", "POST"])
def deactivate(request: SignedInRequest, pk: int) -> HttpResponse:
    app_key = _present(pk)
    if request.method == "POST":
        app_key.deactivate(by=request.user)
        messages.success(request, f"{app_key.name} is deactivated: what its senders send is refused from now on.")
        return redirect("appkeys:detail", app_key.pk)
    return render(request, _confirmation(request), {"app_key": app_key, "partial": "appkeys/_deactivate.html"})


@may_change(Area.INTEGRATIONS)
@require_POST
def activate(request: SignedInRequest, pk: int) -> HttpResponse:
    app_key = _present(pk)
    app_key.activate(by=request.user)
    messages.success(request, f"{app_key.name} is active again, with the same App Key.")
    return redirect("appkeys:detail", app_key.pk)


@may_change(Area.INTEGRATIONS)
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: SignedInRequest, pk: int) -> HttpResponse:
    app_key = _present(pk)
    if app_key.is_of_this_console:
        messages.error(request, f"{app_key.name} tells what is wrong with the console. Deactivate it instead.")
        return redirect("appkeys:detail", app_key.pk)
    if request.method == "POST":
        app_key.delete_for_now(by=request.user)
        messages.success(
            request, f"{app_key.name} is deleted. It stands below, under deleted, should that be a mistake."
        )
        return redirect("appkeys:list")
    return render(request, _confirmation(request), {"app_key": app_key, "partial": "appkeys/_delete.html"})


@may_change(Area.INTEGRATIONS)
@require_POST
def restore(request: SignedInRequest, pk: int) -> HttpResponse:
    app_key = get_object_or_404(AppKey.objects.deleted(), pk=pk)
    try:
        app_key.restore(by=request.user)
    except ValidationError:
        messages.error(
            request, f"Another integration is named {app_key.name} now. Rename that one first, then restore this one."
        )
        return redirect("appkeys:list")
    messages.success(request, f"{app_key.name} is back, with the same App Key.")
    return redirect("appkeys:detail", app_key.pk)


def _present(pk: int) -> AppKey:
    return get_object_or_404(AppKey.objects.present(), pk=pk)


def _context(
    request: SignedInRequest, app_key: AppKey, *, secret: str = "", token: str = "", **more: Any
) -> dict[str, Any]:
    tool = gallery.TOOLS.get(app_key.tool, gallery.TOOLS["api"])
    return {
        "app_key": app_key,
        "tool": tool,
        "setup": gallery.setup(tool.slug, url=request.build_absolute_uri(tool.url), app_key=secret, token=token),
        "secret": secret,
        "token": token,
        "commands": TestAlert(request.build_absolute_uri(reverse("alerts")), app_key.name, app_key=secret, token=token),
        "latest_alert": _latest_alert(request, app_key),
        "traffic": _traffic(app_key),
        "repairs": app_key.repairs.all()[:REPAIRS_SHOWN],
        "name_form": NameForm(initial={"name": app_key.name}),
        "rotate_form": RotateForm(),
        **more,
    }


def _traffic(app_key: AppKey) -> dict[str, Any]:
    """Return the events of the last 24 hours, and the busiest hour beside BigPanda's guideline (docs/wire-contract.md §2.7)."""
    since = timezone.now() - timedelta(hours=24)
    hours = app_key.traffic.filter(hour__gte=since).annotate(events=F("accepted") + F("duplicates"))
    totals: dict[str, Any] = hours.aggregate(
        busiest=Max("events", default=0),
        accepted=Sum("accepted", default=0),
        duplicates=Sum("duplicates", default=0),
        rejected=Sum("rejected", default=0),
    )
    return {**totals, "guideline": GUIDELINE, "is_over": totals["busiest"] > GUIDELINE}


def _latest_alert(request: SignedInRequest, app_key: AppKey) -> Any:
    """Return the latest of its alerts that has an incident and that the person may see."""
    return (
        app_key.alerts.visible_to(request.user)
        .filter(incident__isnull=False)
        .select_related("incident")
        .order_by("-pk")
        .first()
    )


def _confirmation(request: SignedInRequest) -> str:
    """Render a question in a dialog, or on a page of its own without scripts."""
    return "components/_confirm.html" if request.htmx.target == "dialog" else "components/confirm.html"
