"""Pages of trials: replays of the past by other rules, with their reports, before people put the rules in force."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from incidents.models import ReplayRun, Shadow
from incidents.models.replay import Rule
from incidents.patterns import changes, trials
from incidents.patterns.forms import RangeForm
from incidents.replay.report import readable
from people.access import SignedInRequest, may_change, may_see
from people.models import Area

RUNS_SHOWN = 50


def start(request: SignedInRequest, rules: list[Rule], note: str) -> HttpResponse | None:
    """Start a replay over the range that was sent, and go to its page.

    Return None for a range that is not valid. The messages of the next page say why.
    """
    form = RangeForm(request.POST)
    if not form.is_valid():
        for error in (each for problems in form.errors.values() for each in problems):
            messages.error(request, str(error))
        return None
    since, until = form.range
    run = trials.replay(rules, since=since, until=until, note=note, by=request.user)
    return redirect("patterns:trial", run.pk)


@may_see(Area.PATTERNS)
@require_safe
def listing(request: SignedInRequest) -> HttpResponse:
    context = {
        "runs": ReplayRun.objects.select_related("by")[:RUNS_SHOWN],
        "shadows": Shadow.objects.select_related("by")[:RUNS_SHOWN],
        "may_change": request.user.may_change(Area.PATTERNS),
    }
    return render(request, "patterns/trials.html", context)


@may_see(Area.PATTERNS)
@require_safe
def detail(request: SignedInRequest, pk: int) -> HttpResponse:
    """Show a trial: the whole page, or for htmx the part that changes while the trial runs."""
    run = get_object_or_404(ReplayRun.objects.select_related("by"), pk=pk)
    may = request.user.may_change(Area.PATTERNS)
    context = {
        "run": run,
        "result": readable(run.result, request.user),
        "pending": trials.pending(run.rules or []),
        "may_change": may,
        "range": RangeForm(initial={"days": 7}),
    }
    return render(request, "patterns/_trial.html" if request.htmx.target == "trial" else "patterns/trial.html", context)


@may_change(Area.PATTERNS)
@require_POST
def cancel(request: SignedInRequest, pk: int) -> HttpResponse:
    get_object_or_404(ReplayRun, pk=pk).cancel()
    return redirect("patterns:trial", pk)


@may_change(Area.PATTERNS)
@require_POST
def again(request: SignedInRequest, pk: int) -> HttpResponse:
    """Start a trial of the same rules over another range."""
    run = get_object_or_404(ReplayRun, pk=pk)
    return start(request, run.rules or [], run.note) or redirect("patterns:trial", pk)


@may_change(Area.PATTERNS)
@require_POST
def enable(request: SignedInRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(ReplayRun, pk=pk)
    return put_in_force(request, run.rules or [], back=redirect("patterns:trial", pk))


def put_in_force(request: SignedInRequest, rules: list[Rule], *, back: HttpResponse) -> HttpResponse:
    try:
        changed = trials.enable(rules, by=request.user)
    except changes.EditedMeanwhile as refusal:
        messages.error(request, str(refusal))
        return back
    messages.success(
        request, "It is in force: new alerts are asked it from now on; incidents that are open stay as they are."
    )
    return redirect(changed[0]) if len(changed) == 1 else redirect("patterns:list")


@may_change(Area.PATTERNS)
@require_http_methods(["GET", "HEAD", "POST"])
def order(request: SignedInRequest) -> HttpResponse:
    """Start a trial of another order, or put the order in force at once. People enter the order as numbers."""
    present = changes.in_order()
    places: dict[int, float] = {each.pk: place for place, each in enumerate(present, 1)}
    if request.method == "POST":
        places = {pk: _number(request.POST.get(f"place-{pk}", ""), place) for pk, place in places.items()}
        pks = sorted(places, key=lambda pk: places[pk])
        rules = trials.in_other_order(pks)
        if "save" in request.POST:
            return put_in_force(request, rules, back=redirect("patterns:order"))
        if answer := start(request, rules, "Another order"):
            return answer
    context = {"rows": [(each, places[each.pk]) for each in present], "range": RangeForm(initial={"days": 7})}
    return render(request, "patterns/order.html", context)


def _number(written: str, otherwise: float) -> float:
    try:
        return float(written)
    except ValueError:
        return otherwise
