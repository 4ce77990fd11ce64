"""The pages of a mapping: a sample beside the alerts that it becomes, and the versions with their changes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from alerts.events import EventRejected, IncomingEvent
from alerts.mapping import mapping
from alerts.mapping.forms import MappingForm, fields_of, suggested
from alerts.models import Alert, Mapping, Refusal, TailLine
from alerts.sources import bigpanda, oim
from alerts.sources.reading import AlertObject, value_at
from appkeys.models import AppKey
from people.access import SignedInRequest, may_change, may_see
from people.models import Area

SHOWN = 10  # alerts of a preview
EXAMPLE = {"device": {"name": "ups-1", "rack": "r7"}, "event": "On battery", "level": "critical", "time": 1716200000}


@dataclass(frozen=True, slots=True)
class Preview:
    """The events of a sample, or the error that prevents them."""

    events: list[IncomingEvent | EventRejected]
    more: int = 0
    left_out: int = 0  # alerts that the filter leaves out
    error: EventRejected | None = None
    paths: tuple[tuple[str, str], ...] = ()  # paths in the sample, each with a value


@may_see(Area.INTEGRATIONS)
@require_safe
def page(request: SignedInRequest, pk: int) -> HttpResponse:
    app_key = get_object_or_404(AppKey.objects.present(), pk=pk)
    current = mapping.current(app_key)
    captured = _captured(request, app_key)
    sample = next((each["sample"] for each in captured if each["key"] == request.GET.get("sample")), None)
    if current:
        data = fields_of(current.config, current.sample if sample is None else sample)
    else:
        known = sample if sample is not None else captured[0]["sample"] if captured else EXAMPLE
        data = suggested(known)
    return _answer(request, app_key, MappingForm(data), captured=captured, current=current)


@may_change(Area.INTEGRATIONS)
@require_POST
def save(request: SignedInRequest, pk: int) -> HttpResponse:
    app_key = get_object_or_404(AppKey.objects.present(), pk=pk)
    form = MappingForm(request.POST)
    if "preview" not in request.POST and form.is_valid():
        try:
            made = mapping.save(app_key, form.config(), form.sample(), by=request.user)
        except EventRejected:
            pass  # the preview shows the error
        else:
            messages.success(request, f"Version {made.version} of the mapping counts from now on.")
            return redirect("mapping", app_key.pk)
    return _answer(request, app_key, form, captured=_captured(request, app_key), current=mapping.current(app_key))


@may_see(Area.INTEGRATIONS)
@require_POST
def preview(request: SignedInRequest, pk: int) -> HttpResponse:
    """Show the preview of the form as it stands."""
    app_key = get_object_or_404(AppKey.objects.present(), pk=pk)
    context = {"preview": _preview(app_key, MappingForm(request.POST)), "app_key": app_key}
    return render(request, "alerts/_mapping_preview.html", context)


@may_see(Area.INTEGRATIONS)
@require_safe
def version(request: SignedInRequest, pk: int, number: int) -> HttpResponse:
    shown = get_object_or_404(Mapping.objects.select_related("app_key", "created_by"), app_key=pk, version=number)
    before = Mapping.objects.filter(app_key=pk, version__lt=number).first()
    context = {"app_key": shown.app_key, "version": shown, "before": before, "lines": mapping.difference(before, shown)}
    return render(request, "alerts/mapping_version.html", context)


@may_change(Area.INTEGRATIONS)
@require_POST
def restore(request: SignedInRequest, pk: int, number: int) -> HttpResponse:
    old = get_object_or_404(Mapping.objects.select_related("app_key"), app_key=pk, version=number)
    try:
        made = mapping.restore(old, by=request.user)
    except EventRejected as error:
        messages.error(request, f"Version {number} cannot be restored: {error}.")
    else:
        messages.success(request, f"Version {number} counts again, as version {made.version}.")
    return redirect("mapping", pk)


@may_change(Area.INTEGRATIONS)
@require_POST
def switch_off(request: SignedInRequest, pk: int) -> HttpResponse:
    app_key = get_object_or_404(AppKey.objects.present(), pk=pk)
    mapping.switch_off(app_key, by=request.user)
    messages.success(request, "The mapping is off. Its versions stay, and each can be restored.")
    return redirect("mapping", pk)


def _answer(
    request: SignedInRequest,
    app_key: AppKey,
    form: MappingForm,
    *,
    captured: list[dict[str, Any]],
    current: Mapping | None,
) -> HttpResponse:
    context = {
        "app_key": app_key,
        "form": form,
        "current": current,
        "captured": captured,
        "versions": app_key.mappings.select_related("created_by")[:50],
        "preview": _preview(app_key, form),
    }
    return render(request, "alerts/mapping.html", context)


def _preview(app_key: AppKey, form: MappingForm) -> Preview:
    if not form.is_valid():
        field, errors = next(iter(form.errors.items()))
        return Preview([], error=EventRejected(field, str(errors[0])))
    paths: tuple[tuple[str, str], ...] = ()
    try:
        sample = form.sample()
        data = form.cleaned_data
        paths = _paths(data["is_array"], sample, data["array_source"].strip())
        drawn = Mapping(app_key=app_key, config=oim.check(form.config(), sample), sample=sample)
        alerts = mapping.alerts_of(drawn, sample)
        left_out = len(oim.items(drawn.config, sample)) - len(alerts)
    except EventRejected as error:
        return Preview([], error=error, paths=paths)
    now = timezone.now()
    events = [_event(alert, now) for alert in alerts[:SHOWN]]
    return Preview(events, more=max(0, len(alerts) - SHOWN), left_out=left_out, paths=paths)


def _event(alert: AlertObject, now: datetime) -> IncomingEvent | EventRejected:
    try:
        return bigpanda.normalize(alert, received_at=now, may_follow=True)
    except EventRejected as error:
        return error


def _paths(is_array: bool, sample: object, source: str) -> tuple[tuple[str, str], ...]:
    rows = value_at(sample, source) if source else sample
    item = rows[0] if is_array and isinstance(rows, list) and rows else sample
    found = []
    for path in oim.paths_of(is_array, sample, source)[:200]:
        value = value_at(item if path.startswith(oim.ITEM) else sample, path.removeprefix(oim.ITEM))
        found.append((path, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)))
    return tuple(found)


def _captured(request: SignedInRequest, app_key: AppKey) -> list[dict[str, Any]]:
    """Return the newest requests of an App Key that can be samples, for a person who may see every alert."""
    if not Alert.objects.all_visible_to(request.user):
        return []
    rows: list[tuple[str, Refusal | TailLine]] = [(f"refused-{row.pk}", row) for row in app_key.refusals.all()[:10]]
    rows += [(f"request-{row.pk}", row) for row in app_key.tail.all()[:10]]
    rows.sort(key=lambda each: each[1].at, reverse=True)
    found: list[dict[str, Any]] = []
    for key, row in rows:
        try:
            sample = json.loads(row.sample)
        except (ValueError, RecursionError):
            continue
        if isinstance(sample, dict | list) and sample:
            found.append({"key": key, "at": row.at, "path": row.path, "sample": sample})
    return found[:10]
