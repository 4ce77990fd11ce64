"""Pages of correlation patterns: the list in order, each pattern with its history, and forms that change patterns."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from bpql import SearchStopped
from db import time_limit
from incidents.models import CorrelationPattern, PatternVersion
from incidents.patterns import changes, transfer, trials
from incidents.patterns import counts as pattern_counts
from incidents.patterns.forms import PatternForm, RangeForm
from incidents.views.trials import start
from people.access import SignedInRequest, may_change, may_see
from people.models import Area

VERSIONS_SHOWN = 100
LABELS = {
    "tags": "Tags",
    "time_window": "Window, minutes",
    "filter": "Filter",
    "cross_source": "Across sources",
    "active": "Active",
    "note": "Note",
}


@may_see(Area.PATTERNS)
@require_safe
def listing(request: SignedInRequest) -> HttpResponse:
    counts = pattern_counts.joined_lately()
    present = changes.in_order()
    context = {
        "rows": [(pattern, counts.get(pattern.pk)) for pattern in present],
        "is_ordered_by_hand": any(pattern.position for pattern in present),
        "deleted": CorrelationPattern.objects.exclude(deleted_at=None)
        .select_related("updated_by")
        .order_by("-deleted_at"),
        "may_change": _may_change(request),
    }
    return render(request, "patterns/list.html", context)


@may_see(Area.PATTERNS)
@require_safe
def detail(request: SignedInRequest, pk: int) -> HttpResponse:
    pattern = get_object_or_404(CorrelationPattern.objects.select_related("created_by", "updated_by"), pk=pk)
    versions = list(pattern.versions.select_related("by")[:VERSIONS_SHOWN])
    context = {
        "pattern": pattern,
        "place": next((place for place, each in enumerate(changes.in_order(), 1) if each.pk == pk), None),
        "joined": pattern_counts.joined_lately().get(pk),
        "history": list(_history(versions)),
        "may_change": _may_change(request),
    }
    return render(request, "patterns/detail.html", context)


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A change in the history of a pattern, with the properties that differ: label, old value and new value."""

    version: PatternVersion
    differences: tuple[tuple[str, Any, Any], ...]


def _history(versions: list[PatternVersion]) -> Iterable[VersionRow]:
    for version, before in zip(versions, [*versions[1:], None], strict=True):
        now = changes.Draft.of(version).fields
        then = changes.Draft.of(before).fields if before else None
        yield VersionRow(version, difference(then, now) if then else ())


def difference(before: dict[str, Any], after: dict[str, Any]) -> tuple[tuple[str, Any, Any], ...]:
    return tuple(
        (LABELS[name], _shown(before[name]), _shown(after[name])) for name in LABELS if before[name] != after[name]
    )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)


@may_change(Area.PATTERNS)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: SignedInRequest) -> HttpResponse:
    form = PatternForm(request.POST) if request.method == "POST" else PatternForm(draft=_named_by_link(request))
    if answer := _start_trial(request, form):
        return answer
    if form.is_valid() and _is_to_be_saved(request):
        pattern = changes.create(form.draft, by=request.user)
        messages.success(
            request,
            f"Created: {pattern}. New alerts are asked it from now on; incidents that are open stay as they are.",
        )
        return redirect("patterns:detail", pattern.pk)
    return _form_page(request, form)


@may_change(Area.PATTERNS)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: SignedInRequest, pk: int) -> HttpResponse:
    pattern = get_object_or_404(CorrelationPattern.objects.present(), pk=pk)
    if request.method != "POST":
        return _form_page(request, PatternForm(draft=changes.Draft.of(pattern), seen=pattern.as_of), pattern)
    form = PatternForm(request.POST)
    if answer := _start_trial(request, form, pattern):
        return answer
    if form.is_valid() and _is_to_be_saved(request):
        try:
            changed = changes.edit(pattern, form.draft, by=request.user, seen=form.cleaned_data["seen"] or None)
        except changes.EditedMeanwhile as refusal:
            form.add_error(None, str(refusal))
        else:
            if changed.version == pattern.version:
                messages.success(request, "Saved.")
            else:
                messages.success(
                    request,
                    f"Saved as version {changed.version}. Incidents that are open keep the version that made them.",
                )
            return redirect("patterns:detail", pk)
    return _form_page(request, form, pattern)


def _named_by_link(request: SignedInRequest) -> changes.Draft | None:
    """Return what a link to the empty form names, or None."""
    minutes = request.GET.get("minutes", "60")
    try:
        return changes.read(
            {"tags": request.GET.getlist("tag"), "time_window": int(minutes) if minutes.isdecimal() else 60}
        )
    except changes.PatternRejected:
        return None


def _is_to_be_saved(request: SignedInRequest) -> bool:
    return not {"check", "try"} & request.POST.keys()


def _start_trial(
    request: SignedInRequest, form: PatternForm, pattern: CorrelationPattern | None = None
) -> HttpResponse | None:
    """Start a trial of the pattern in the form, if the person asked for a trial and the form is valid."""
    if "try" not in request.POST or not form.is_valid():
        return None
    note = f"{'Changed' if pattern else 'New'}: {form.draft}"
    return start(request, trials.with_draft(form.draft, pattern), note)


def _form_page(request: SignedInRequest, form: PatternForm, pattern: CorrelationPattern | None = None) -> HttpResponse:
    context = {
        "form": form,
        "pattern": pattern,
        "tags_seen": pattern_counts.tags_seen(request.user),
        "reach": _reach(request, form),
        "range": RangeForm(initial={"days": 7}),
    }
    return render(request, "patterns/form.html", context)


def _reach(request: SignedInRequest, form: PatternForm) -> pattern_counts.Reach | SearchStopped | None:
    """Return what the pattern would reach, or the reason why nobody waits for the answer."""
    if not form.is_valid():
        return None
    try:
        with time_limit.limited():
            return pattern_counts.reach(form.draft, request.user)
    except SearchStopped as stopped:
        return stopped


@may_change(Area.PATTERNS)
@require_safe
def preview(request: SignedInRequest) -> HttpResponse:
    """Show which of the latest alerts the pattern in the form would reach, while a person writes the pattern."""
    form = PatternForm(request.GET)
    return render(request, "patterns/_reach.html", {"form": form, "reach": _reach(request, form)})


@may_change(Area.PATTERNS)
@require_POST
def move(request: SignedInRequest, pk: int) -> HttpResponse:
    pattern = get_object_or_404(CorrelationPattern.objects.present(), pk=pk)
    changes.move(pattern, -1 if request.POST.get("to") == "earlier" else 1, by=request.user)
    return redirect("patterns:list")


@may_change(Area.PATTERNS)
@require_POST
def reset_order(request: SignedInRequest) -> HttpResponse:
    changes.reset_order(by=request.user)
    messages.success(request, "The longest window comes first again.")
    return redirect("patterns:list")


@may_change(Area.PATTERNS)
@require_POST
def set_active(request: SignedInRequest, pk: int, active: bool) -> HttpResponse:
    pattern = get_object_or_404(CorrelationPattern.objects.present(), pk=pk)
    changes.set_active(pattern, active, by=request.user)
    how = (
        "New alerts are asked it again."
        if active
        else "New alerts are not asked it any more; what it has joined stays together."
    )
    messages.success(request, f"{str(pattern).capitalize()} is {'active' if active else 'off'}. {how}")
    return redirect("patterns:list" if request.POST.get("next") == "list" else pattern)


@may_change(Area.PATTERNS)
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: SignedInRequest, pk: int) -> HttpResponse:
    pattern = get_object_or_404(CorrelationPattern.objects.present(), pk=pk)
    if request.method == "POST":
        changes.delete(pattern, by=request.user)
        return redirect("patterns:list")
    page = "components/_confirm.html" if request.htmx.target == "dialog" else "components/confirm.html"
    return render(request, page, {"pattern": pattern, "partial": "patterns/_delete.html"})


@may_change(Area.PATTERNS)
@require_POST
def restore(request: SignedInRequest, pk: int) -> HttpResponse:
    pattern = get_object_or_404(CorrelationPattern, pk=pk)
    changes.restore(pattern, by=request.user)
    messages.success(request, f"Restored: {pattern}.")
    return redirect("patterns:list")


@may_see(Area.PATTERNS)
@require_safe
def export(request: SignedInRequest) -> HttpResponse:
    text = json.dumps(transfer.all_as_data(), indent=2, ensure_ascii=False)
    return HttpResponse(
        text, content_type="application/json", headers={"Content-Disposition": 'attachment; filename="patterns.json"'}
    )


@may_change(Area.PATTERNS)
@require_http_methods(["GET", "HEAD", "POST"])
def import_file(request: SignedInRequest) -> HttpResponse:
    """Show what a file would change. Once the person has confirmed, change it."""
    if request.method != "POST":
        return render(request, "patterns/import.html", {})
    text = _sent_text(request)
    try:
        plan = transfer.plan(transfer.read_file(text))
    except transfer.FileRejected as rejection:
        return render(request, "patterns/import.html", {"text": text, "refusal": str(rejection)})
    if "confirm" in request.POST and not plan.errors:
        done = transfer.carry_out(plan, by=request.user)
        messages.success(request, f"{len(done)} pattern{'' if len(done) == 1 else 's'} brought in.")
        return redirect("patterns:list")
    rows = [(item, difference(item.before.fields, item.draft.fields) if item.before else ()) for item in plan.items]
    return render(request, "patterns/import.html", {"text": text, "plan": plan, "rows": rows})


def _sent_text(request: HttpRequest) -> str:
    if (file := request.FILES.get("file")) is not None:
        return bytes(file.read()).decode("utf-8", "replace")
    return request.POST.get("text", "")


def _may_change(request: SignedInRequest) -> bool:
    return request.user.may_change(Area.PATTERNS)
