"""Pages of shadows: drafts that run beside the live patterns, with the difference so far."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from incidents.models import ReplayRun, Shadow
from incidents.patterns import trials
from incidents.replay import shadow
from incidents.replay.report import readable
from incidents.views.trials import put_in_force
from people.access import SignedInRequest, may_change, may_see
from people.models import Area


@may_change(Area.PATTERNS)
@require_POST
def switch_on(request: SignedInRequest, pk: int) -> HttpResponse:
    """Let the rules of a trial run beside the live patterns from now on."""
    run = get_object_or_404(ReplayRun, pk=pk)
    begun = shadow.switch_on(run.rules or [], by=request.user, note=run.note)
    messages.success(request, "It runs in the shadow from now on. Nobody's incidents change by it.")
    return redirect("patterns:shadow", begun.pk)


@may_see(Area.PATTERNS)
@require_safe
def detail(request: SignedInRequest, pk: int) -> HttpResponse:
    """Show a shadow: the whole page, or for htmx the part that grows while the shadow is on."""
    found = get_object_or_404(Shadow.objects.select_related("by"), pk=pk)
    context = {
        "shadow": found,
        "result": readable(found.result, request.user),
        "pending": trials.pending(found.rules),
        "may_change": request.user.may_change(Area.PATTERNS),
    }
    page = "patterns/_shadow.html" if request.htmx.target == "shadow" else "patterns/shadow.html"
    return render(request, page, context)


@may_change(Area.PATTERNS)
@require_POST
def switch_off(request: SignedInRequest, pk: int) -> HttpResponse:
    shadow.switch_off(get_object_or_404(Shadow, pk=pk))
    messages.success(request, "It is switched off. What it found stays here.")
    return redirect("patterns:shadow", pk)


@may_change(Area.PATTERNS)
@require_POST
def enable(request: SignedInRequest, pk: int) -> HttpResponse:
    """Put the rules of a shadow in force. The shadow ends, as nothing differs any more."""
    found = get_object_or_404(Shadow, pk=pk)
    answer = put_in_force(request, found.rules, back=redirect("patterns:shadow", pk))
    if not trials.pending(found.rules):
        shadow.switch_off(found)
    return answer
