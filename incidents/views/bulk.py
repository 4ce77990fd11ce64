"""One action on many incidents: what it is about, how far it is, and what came of it."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, reswap, retarget, trigger_client_event

from incidents.actions import InvalidTransition, bulk, tasks
from incidents.actions.forms import FORMS, ActionForm
from incidents.feed.filters import IncidentFilter
from incidents.models import BulkAction, Incident
from incidents.models.incident import IncidentQuerySet
from incidents.views.actions import AT_ONCE, begin_undo, site_of, there
from incidents.views.grouping import merge_chosen
from people.access import SignedInRequest, responders_only

SHOWN_SKIPPED = 20  # of each reason
NAMED = 5  # incidents of a question; more are told by their numbers


@responders_only
@require_POST
def ask(request: SignedInRequest) -> HttpResponseBase:
    """Freeze what was selected, or all that match the view, and say what the action would do to it."""
    what = request.POST.get("what", "")
    if what == "merge":
        return merge_chosen(request)
    if what not in FORMS:
        raise Http404
    try:
        drafted = bulk.draft(what, _chosen(request), by=request.user, matching=_matching(request))
    except InvalidTransition as refusal:
        messages.error(request, str(refusal))
        return _leave(request)
    return _ask(request, drafted, FORMS[what](user=request.user))


@responders_only
@require_POST
def start(request: SignedInRequest, pk: int) -> HttpResponse:
    drafted = get_object_or_404(BulkAction, pk=pk, by=request.user)
    form = FORMS[drafted.what](request.POST, user=request.user, site=site_of(request))
    if not form.is_valid():
        return _ask(request, drafted, form)
    try:
        bulk.start(drafted, form.action())
        if drafted.total > AT_ONCE:
            tasks.run_bulk.delay(drafted.pk)
        else:
            bulk.run(drafted.pk)
    except InvalidTransition as refusal:
        messages.error(request, str(refusal))
        return _leave(request)
    if not request.htmx:
        return _leave(request)
    return trigger_client_event(
        reswap(retarget(_told(request, drafted), "#toasts"), "beforeend"), "console:begun", after="settle"
    )


@responders_only
@require_POST
def undo(request: SignedInRequest, pk: int) -> HttpResponse:
    done = get_object_or_404(BulkAction, pk=pk)
    try:
        begin_undo(done)
    except InvalidTransition as refusal:
        messages.error(request, str(refusal))
        return _leave(request, done.get_absolute_url())
    if request.htmx:
        return trigger_client_event(_told(request, done), "console:begun", after="settle")
    return _leave(request, done.get_absolute_url())


@require_safe
def detail(request: SignedInRequest, pk: int) -> HttpResponse:
    """How far it is, and what came of it; its changing part alone where that is asked for."""
    shown = get_object_or_404(BulkAction.objects.select_related("by"), pk=pk)
    visible = Incident.objects.visible_to(request.user)
    context = {"bulk": shown, "skipped": _reasons(shown.skipped, visible), "kept": _reasons(shown.kept, visible)}
    if not shown.is_at_work and shown.by == request.user:
        BulkAction.objects.filter(pk=pk, announced_at=None).update(announced_at=timezone.now())
    return render(request, "actions/_bulk.html" if request.htmx else "actions/bulk.html", context)


@require_safe
def card(request: SignedInRequest, pk: int) -> HttpResponse:
    """How far it is, for the corner of whatever page the person is on."""
    shown = get_object_or_404(BulkAction, pk=pk, by=request.user)
    return render(request, "actions/_bulk_card.html", {"bulk": shown})


@require_POST
def dismiss(request: SignedInRequest, pk: int) -> HttpResponse:
    """Its result was read."""
    BulkAction.objects.filter(pk=pk, by=request.user).update(announced_at=timezone.now())
    return HttpResponse() if request.htmx else _leave(request)


def _chosen(request: SignedInRequest) -> QuerySet[Incident]:
    if request.POST.get("all"):
        matching = IncidentFilter(QueryDict(_matching(request)), request.user).qs
        return matching & Incident.objects.changeable_by(request.user)
    pks = [int(pk) for pk in request.POST.getlist("incident") if pk.isdecimal() and len(pk) < 19]
    return Incident.objects.changeable_by(request.user).filter(pk__in=pks)


def _matching(request: SignedInRequest) -> str:
    return request.POST.get("matching", "").removeprefix("?") if request.POST.get("all") else ""


def _ask(request: SignedInRequest, drafted: BulkAction, form: ActionForm) -> HttpResponse:
    context = {"bulk": drafted, "form": form, "name": drafted.what, "next": there(request, "/")}
    context["question"], context["partial"] = form.question(drafted.total), "actions/_ask_bulk.html"
    is_few = drafted.total <= NAMED and not drafted.matching
    context["named"] = Incident.objects.filter(pk__in=drafted.snapshot) if is_few else ()
    if request.htmx:
        return retarget(render(request, "actions/_ask_bulk.html", context), "#dialog")
    return render(request, "components/confirm.html", context)


def _leave(request: SignedInRequest, otherwise: str = "/") -> HttpResponse:
    """Back to the view it was begun in, shown anew."""
    url = there(request, otherwise)
    return HttpResponseClientRedirect(url) if request.htmx else redirect(url)


def _told(request: SignedInRequest, bulk_action: BulkAction) -> HttpResponse:
    """What became of it, for the corner of a feed that stays as it is, with the cursor in it. What went through at once needs no second telling."""
    bulk_action.refresh_from_db()
    if not bulk_action.is_at_work and not bulk_action.skipped and not bulk_action.kept:
        bulk_action.announced_at = timezone.now()
        bulk_action.save(update_fields=["announced_at"])
    return render(request, "actions/_bulk_card.html", {"bulk": bulk_action})


def _reasons(reasons: dict[str, list[int]], visible: IncidentQuerySet) -> list[tuple[str, int, list[Incident]]]:
    return [
        (reason, len(pks), list(visible.filter(pk__in=pks[:SHOWN_SKIPPED]).order_by("pk")))
        for reason, pks in reasons.items()
    ]
