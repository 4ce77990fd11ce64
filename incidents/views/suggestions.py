"""Pages of suggestions: patterns that the past suggests, which people can try or write."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from incidents.models import SuggestionRun
from incidents.patterns import changes, trials
from incidents.patterns.forms import RangeForm
from people.access import SignedInRequest, may_change
from people.models import Area


@may_change(Area.PATTERNS)
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: SignedInRequest) -> HttpResponse:
    """Show the latest search with its suggestions, or start another search."""
    form = RangeForm(request.POST if request.method == "POST" else None, initial={"days": 7})
    if request.method == "POST" and form.is_valid():
        since, until = form.range
        trials.search(since=since, until=until, by=request.user)
        return redirect("patterns:suggestions")
    for error in (each for problems in form.errors.values() for each in problems):
        messages.error(request, str(error))
    run = SuggestionRun.objects.visible_to(request.user).select_related("by").first()
    context = {"run": run, "range": RangeForm(initial={"days": 7})}
    is_part = request.htmx.target == "suggestions"
    return render(request, "patterns/_suggestions.html" if is_part else "patterns/suggestions.html", context)


@may_change(Area.PATTERNS)
@require_POST
def cancel(request: SignedInRequest, pk: int) -> HttpResponse:
    get_object_or_404(SuggestionRun.objects.visible_to(request.user), pk=pk).cancel()
    return redirect("patterns:suggestions")


@may_change(Area.PATTERNS)
@require_POST
def try_one(request: SignedInRequest, pk: int) -> HttpResponse:
    """Start a trial of one suggestion over the range that was searched."""
    run = get_object_or_404(SuggestionRun.objects.visible_to(request.user), pk=pk)
    found = (run.result or {}).get("suggestions", [])
    place = request.POST.get("suggestion", "")
    if not place.isdecimal() or int(place) >= len(found):
        return redirect("patterns:suggestions")
    suggestion = found[int(place)]
    draft = changes.read({name: suggestion[name] for name in ("tags", "time_window")})
    rules = trials.with_draft(draft, is_suggestion=True)
    begun = trials.replay(rules, since=run.since, until=run.until, note=f"Suggested: {draft}", by=request.user)
    return redirect("patterns:trial", begun.pk)
